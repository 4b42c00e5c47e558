// What stands in a feature store's index.json and items.json. The store of one split:
//
//   <folder>/items.json                   ids, sizes of the files, captions
//   <folder>/videos-00000.safetensors     frames, frame_mask, times, patches
//   <folder>/texts-00000.safetensors      pooled, tokens, text_mask
#pragma once

#include "fingerprint.h"

#include "vtr/core/files.h"
#include "vtr/data/manifest.h"

#include <string>
#include <vector>

namespace vtr::eval {

constexpr const char* kIndexFile = "index.json";

struct Item {
  std::string id;
  int64_t bytes = 0;          // of its file; 0: there was none
  double start = 0, end = 0;  // the part of it, seconds
  std::vector<std::string> captions;
};

// A file of the store. One of which no video could be read has no rows, and there is none.
struct Shard {
  std::string sha256;
  int64_t rows = 0;
  std::vector<int64_t> skipped;  // videos of the split
};

struct StoredSplit {
  std::string name, folder;  // of the manifest; of the shards
  Fingerprint image, text;
  Fingerprint made;  // what else the bytes depend on: batch, precision, sizes of the shards
  int64_t videos = 0, texts = 0, videos_per_shard = 0, texts_per_shard = 0;
  std::string items_sha256;
  std::vector<Shard> video_shards, text_shards;  // those that are whole, from the first

  size_t video_shard_count() const;
  size_t text_shard_count() const;
  bool whole() const;
  bool has_tokens() const;  // of every word
  int64_t rows() const;     // videos that are encoded
  std::string video_file(size_t shard) const;
  std::string text_file(size_t shard) const;
};

struct Index {
  std::string dtype;  // fp16, fp32
  std::vector<StoredSplit> splits;
  StoredSplit* find(const std::string& name);
};

// The name of a split's folder: "1k-A". What cannot be in one becomes '-', and then a hash of the
// split's name stands at its end: no two splits have the same.
std::string folder_name(const std::string& split);
// Of a manifest's name, which has the data set's before it: "msrvtt-1k-A".
std::string store_folder(const std::string& name);

std::string to_json(const Index& index);
std::string to_json(const std::vector<Item>& items);
// Throw Error naming the file for what is no index, no list of items.
Index read_index(const fs::path& folder);
std::vector<Item> read_items(const fs::path& folder, const StoredSplit& split);
std::vector<Item> items_of(const data::Manifest& manifest);

}  // namespace vtr::eval
