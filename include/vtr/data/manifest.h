// A dataset is a function from annotation files to records; what follows (decoding, sampling,
// batching, the multi-caption protocol) is common to all.
//
//   Manifest train = data::read_split(options, data::Split::train, seed);
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/files.h"
#include "vtr/core/table.h"

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace vtr::data {

enum class Split { train, val, test };
std::string split_name(Split split);
Split split_named(const std::string& name);  // "train", "val" or "test"; throws Error

struct Record {
  std::string id;
  fs::path path;
  std::vector<std::string> captions;
  double start = 0, end = 0;  // the part of the file that is meant, seconds; end 0: to its end
};

// An annotation file that was read. `published` is empty when no digest of such a file is known.
struct Source {
  fs::path path;
  std::string md5;        // 32 hexadecimal digits
  std::string published;  // the first digits of the published file's md5
  bool differs() const { return !md5.starts_with(published); }
};

struct Manifest {
  std::string name;  // dataset and split as asked for: "msrvtt 1k-A"
  std::vector<Record> videos;
  std::vector<std::string> notes = {};  // what the reader left out or merged, by name, and why
  std::vector<Source> sources = {};
  std::vector<std::string> skipped = {};  // ids of the split that data.skip_list took out
  int64_t captions() const;               // in all
  // Of the ids, parts and captions in their order: two equal ones stand for the same split.
  std::string sha256() const;
};

struct DataOptions {
  std::string dataset = "msrvtt";
  std::string root;
  std::string videos;
  std::string train = "9k";
  std::string val;
  std::string test = "1k-A";
  double val_fraction = 0;
  std::string captions = "all";
  int64_t captions_per_video = 1;
  std::string on_error = "stop";
  std::string skip_list;
  double decode_seconds = 60;
  std::string features;
  int64_t workers = 0;
  int64_t prefetch_mb = 256;
  int64_t cache_mb = 0;
  std::string store;
  bool verify = true;
  void fields(auto& f) {
    using namespace config;
    f("dataset", dataset, "reader of the annotations (vtr list datasets)");
    f("root", root, "folder with the annotations and videos");
    f("videos", videos,
      "folder with the video files, from here or under root; empty: looked for under root, for "
      "jsonl root itself");
    f("train", train,
      "training split: a protocol's name, of jsonl a value of \"split\", or a file under root");
    f("val", val, "validation split for choosing the best checkpoint; empty: see val_fraction");
    f("test", test, "test split: likewise");
    f("val_fraction", val_fraction, "without val: this part of the training videos, seeded",
      between(0, 0.5));
    f("captions", captions, "an epoch's captions: every one, or each video once with random ones",
      one_of({"all", "one"}));
    f("captions_per_video", captions_per_video,
      "captions of a video side by side in a training batch, which reads and encodes it once for "
      "them; it must divide the batch",
      at_least(1));
    f("on_error", on_error, "a video that cannot be read: stop, or skip it and count it",
      one_of({"stop", "skip"}));
    f("skip_list", skip_list,
      "file of videos to leave out, an id a line (vtr data check --fix-list writes one)");
    f("decode_seconds", decode_seconds, "time limit of reading one video; 0: none", at_least(0));
    f("features", features,
      "folder of vtr encode: evaluation, and training on frozen towers, read features from it");
    f("workers", workers, "decoding threads; 0: one per core", at_least(0));
    f("prefetch_mb", prefetch_mb,
      "memory for batches read ahead: as many as fit into it, but at least one", at_least(0));
    f("cache_mb", cache_mb, "memory for decoded frames that no random rule touches", at_least(0));
    f("store", store, "folder of frames packed by `vtr data pack`, read instead of the videos");
    f("verify", verify,
      "compare checksums: of a packed video's frames when they are first read, of features at the "
      "start");
  }
};

struct DatasetEntry {
  std::string name, summary;
  std::string (*describe)(const DataOptions&);  // where it looks, for errors
  // The split that options call `name`, where they have it for `role`.
  Manifest (*read)(const DataOptions&, Split role, const std::string& name);
};

const Table<DatasetEntry>& datasets();

// The ids of a data.skip_list: what is before the first tab of each line. A line with # in front
// and no tab is a comment.
std::unordered_set<std::string> read_skip_list(const fs::path& path);

// The records of a split, without those of data.skip_list. The validation split may be carved from
// the training one (val_fraction); it is then taken out of Split::train. Empty when there is none.
// Throws Error naming what is wrong in which annotation file.
Manifest read_annotations(const DataOptions& options, Split split, uint64_t seed);

// The same, and every video's file is there, or data.on_error is skip, or data.features is given:
// then nobody reads them. Throws Error naming those that are missing.
Manifest read_split(const DataOptions& options, Split split, uint64_t seed);

}  // namespace vtr::data
