// What a store's small files say.
#pragma once

#include "vtr/data/frame_store.h"

namespace vtr::data {

// A line of a shard's index: what a video is known by, and where its frames are.
struct StoreEntry {
  std::string id, file;       // file: its name, without folders
  int64_t file_bytes = 0;     // 0: there was none
  double start = 0, end = 0;  // of the segment
  int64_t offset = 0;         // of the first frame in the shard
  int64_t height = 0, width = 0;
  std::vector<int64_t> sizes;  // bytes of each frame, one after another
  std::vector<float> seconds;  // of each frame
  uint64_t checksum = 0;       // of all of them
  std::string error;           // why there are none
  int64_t bytes() const;       // of all frames
};

StoreEntry identity(const Record& record);
std::string to_line(const StoreEntry& entry);
std::string identity_line(StoreEntry entry);  // of what identity() knows alone

// The entries of a shard, each within the `shard_bytes` of its file and of the shape that `spec`
// says. Throws Error naming file and line.
std::vector<StoreEntry> read_entries(const fs::path& path, const StoreSpec& spec,
                                     int64_t shard_bytes);

fs::path spec_file(const fs::path& folder);
fs::path shard_file(const fs::path& folder, int64_t shard, const char* extension);
inline int64_t shard_count(const StoreSpec& spec) {
  return (spec.videos + spec.shard_videos - 1) / spec.shard_videos;
}
StoreSpec read_spec(const fs::path& folder);  // throws Error

// What a store for these requests must hold, but for its videos. Throws Error when one store
// cannot serve them all.
StoreSpec spec_for(const PackOptions& options, const std::vector<video::Request>& requests);
// Why the store does not serve the request: what differs, and both values; or "".
std::string refusal(const StoreSpec& spec, const video::Request& request);
// How what it serves is not quite what decoding gives; or "".
std::string caution(const StoreSpec& spec, const video::Request& request);
// Which of a video's `valid` stored frames the request takes, ascending: the rule that would choose
// among the video's own frames chooses among those stored. For `uniform` from an odd multiple of T
// these are the video's very own, as floor(k (2i + 1) n / 2kT) = floor((2i + 1) n / 2T).
std::vector<int64_t> chosen_frames(int64_t valid, const StoreSpec& spec,
                                   const video::Request& request);

uint64_t checksum_of(const void* data, size_t bytes);

}  // namespace vtr::data
