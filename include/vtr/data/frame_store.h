// Frames decoded once: the sampled frames of a dataset's videos, in a folder with
//   store.yaml          the fingerprint: how they were sampled and cropped, and of which videos
//   frames_00000.bin    the frames of a fixed run of videos, one after another
//   frames_00000.jsonl  a line a video: its file, the place and checksum of its frames, their
//                       times; or why it could not be read
// A shard is whole when its .jsonl is there, which is written last. What is in the files is a
// function of the videos and options alone.
//
// A video is known by its id, its segment, and its file's name and size: not by folders and dates,
// so that a store moves between machines, and its videos need not come along.
#pragma once

#include "vtr/data/manifest.h"
#include "vtr/video/frames.h"

#include <functional>
#include <memory>

namespace vtr::data {

struct PackOptions {
  std::string format = "raw";
  int64_t quality = 90;
  int64_t frames = 0;
  bool whole = false;
  int64_t resolution = 0;
  double shard_mb = 256;
  void fields(auto& f) {
    using namespace config;
    f("format", format, "bytes as they are, or JPEG: a tenth of the size, not the same bits",
      one_of({"raw", "jpeg"}));
    f("quality", quality, "of JPEG", between(1, 100));
    f("frames", frames,
      "stored of a video; random sampling picks among them. 0: video.frames, three times as many "
      "for random sampling",
      between(0, 1024));
    f("whole", whole, "store whole frames and crop when they are read; random crops need it");
    f("resolution", resolution, "of the stored frames' shorter side; 0: what the encoder takes",
      between(0, 4096));
    f("shard_mb", shard_mb, "size of a file, about", between(0.001, 65536));
  }
};

// What a store holds. All of it is compared before a store is used or continued.
struct StoreSpec {
  int64_t version = 1;
  std::string format = "raw";
  int64_t quality = 0;
  std::string sampling = "uniform";
  double fps = 0;
  int64_t frames = 0;
  std::string crop = "center";
  int64_t resolution = 0;
  int64_t shard_videos = 1;
  int64_t videos = 0;
  std::string list;
  void fields(auto& f) {
    using namespace config;
    f("version", version, "of the format", between(1, 1));
    f("format", format, "of a frame", one_of({"raw", "jpeg"}));
    f("quality", quality, "of JPEG", between(0, 100));
    f("sampling", sampling, "which frames");
    f("fps", fps, "that the rule fps looks at; 0 for the others", at_least(0));
    f("frames", frames, "stored of a video", between(1, 1024));
    f("crop", crop, "what is stored of a frame", one_of({"center", "whole"}));
    f("resolution", resolution, "of its shorter side", between(1, 4096));
    f("shard_videos", shard_videos, "videos of a shard", at_least(1));
    f("videos", videos, "in all", at_least(1));
    f("list", list, "hash of the videos' ids");
  }
};

// A split to pack, and how it will be read.
struct PackPart {
  Manifest manifest;
  video::Request request;
};

struct Packed {
  int64_t videos = 0, bytes = 0;
  std::vector<std::string> unreadable;  // why, a video each, with data.on_error: skip
};

// Packs the videos of all parts into `out`, or goes on where an earlier call was killed: the store
// is then the same byte for byte. A whole shard is written again when a file of it has changed
// since, or a video that could not be read can be now. `progress` is told how many videos are done.
// Throws Error for a folder that cannot be made, holds something else or is packed into by another
// process, for parts that one store cannot serve, a full disk, and an unreadable video with
// data.on_error: stop.
Packed pack(const std::vector<PackPart>& parts, const PackOptions& options, const DataOptions& data,
            const fs::path& out, const std::function<void(int64_t done, int64_t total)>& progress);

// Where a video's frames go: rows of a batch.
struct FrameSlot {
  uint8_t* pixels;  // [T, 3, R, R]
  bool* mask;       // [T]
  float* times;     // [T]
};

class FrameStore {
 public:
  // Throws Error for a store that is not whole or damaged. `verify`: the checksum of a video's
  // frames is compared when they are first read.
  FrameStore(const fs::path& folder, bool verify);
  ~FrameStore();
  const StoreSpec& spec() const;
  // Of how it holds frames: of two with one digest, the same files give the same frames.
  std::string digest() const;
  // Of a video's file when it was packed; -1: it could not be read, or is not here.
  int64_t file_bytes(const std::string& id) const;
  // The place in the store of each video of a manifest. Throws Error naming what differs: the
  // sampling, the crop, the resolution, a video that is not in the store or has changed since.
  // With skip_unreadable false, one that could not be read when it was packed is an Error too.
  std::vector<int64_t> match(const Manifest& manifest, const video::Request& request,
                             bool skip_unreadable) const;
  // The frames of the video at `place`, as `request` samples and crops them, into `out`. Equal to
  // what decoding gives bit for bit, except: JPEG; random sampling of a video with more frames than
  // are stored, which picks among those; a crop of whole frames stored at another resolution, and
  // any random one. Throws Error when the video could not be read. Any thread may call it.
  void read(int64_t place, const video::Request& request, const FrameSlot& out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::data
