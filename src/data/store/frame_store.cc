#include "vtr/data/frame_store.h"

#include "store/index.h"
#include "store/picture.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/core/log.h"
#include "vtr/core/mapped_file.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <unordered_map>

namespace vtr::data {

struct FrameStore::Impl {
  struct Place {
    StoreEntry entry;
    int64_t shard = 0;
    std::atomic<bool> checked = false;
  };

  Impl(const fs::path& from, bool verify) : folder(from), spec(read_spec(from)), verifies(verify) {
    const int64_t count = shard_count(spec);
    for (int64_t shard = 0; shard < count; ++shard) {
      const auto index = shard_file(folder, shard, "jsonl");
      VTR_CHECK(fs::exists(index),
                "{}: shard {} of {} is not there: `vtr data pack` did not end; the same command "
                "goes on from there",
                folder.string(), shard + 1, count);
      shards.emplace_back(shard_file(folder, shard, "bin"));
      const auto entries = read_entries(index, spec, static_cast<int64_t>(shards.back().size()));
      const int64_t wanted = std::min(spec.shard_videos, spec.videos - shard * spec.shard_videos);
      VTR_CHECK(static_cast<int64_t>(entries.size()) == wanted, "{}: {} videos, {} are needed",
                index.string(), entries.size(), wanted);
      for (const auto& entry : entries) {
        by_id.emplace(entry.id, places.size());
        auto& place = places.emplace_back();
        place.entry = entry;
        place.shard = shard;
      }
    }
  }

  // Throws Error when the video is known by something else now. Its file may be away, and with it
  // what its name tells: the ending, the part of it.
  void check_same(const StoreEntry& entry, const Record& record) const {
    const StoreEntry now = identity(record);
    const auto same = [&](const char* field, const auto& stored, const auto& wanted) {
      VTR_CHECK(stored == wanted,
                "data.store: {}: video '{}' has changed: its {} is {} in the store and {} now; "
                "pack it anew",
                folder.string(), entry.id, field, stored, wanted);
    };
    if (now.file_bytes == 0) return;
    same("file", entry.file, now.file);
    same("start", entry.start, now.start);
    same("end", entry.end, now.end);
    same("size", entry.file_bytes, now.file_bytes);
  }

  const uint8_t* frames_of(Place& place) const {
    const auto& entry = place.entry;
    const auto& shard = shards[static_cast<size_t>(place.shard)];
    const auto* bytes = reinterpret_cast<const uint8_t*>(shard.data()) + entry.offset;
    if (!verifies || place.checked) return bytes;
    const uint64_t sum = checksum_of(bytes, static_cast<size_t>(entry.bytes()));
    VTR_CHECK(sum == entry.checksum, "{}: {}", where(place),
              "the checksum differs (damaged? remove the shard and pack again)");
    place.checked = true;
    return bytes;
  }

  std::string where(const Place& place) const {
    return fmt::format("{} at byte {}", shard_file(folder, place.shard, "bin").string(),
                       place.entry.offset);
  }

  const fs::path folder;
  const StoreSpec spec;
  const bool verifies;
  std::deque<MappedFile> shards;
  std::deque<Place> places;  // in the order of packing
  std::unordered_map<std::string, size_t> by_id;
};

FrameStore::FrameStore(const fs::path& folder, bool verify)
    : impl_(std::make_unique<Impl>(folder, verify)) {}
FrameStore::~FrameStore() = default;
const StoreSpec& FrameStore::spec() const { return impl_->spec; }

std::string FrameStore::digest() const {
  StoreSpec spec = impl_->spec;
  spec.list = "";
  spec.videos = spec.shard_videos = 1;
  return sha256(config::to_text(config::write(spec)));
}

int64_t FrameStore::file_bytes(const std::string& id) const {
  const auto found = impl_->by_id.find(id);
  if (found == impl_->by_id.end()) return -1;
  const auto& entry = impl_->places[found->second].entry;
  return entry.error.empty() ? entry.file_bytes : -1;
}

std::vector<int64_t> FrameStore::match(const Manifest& manifest, const video::Request& request,
                                       bool skip_unreadable) const {
  const std::string why = refusal(impl_->spec, request);
  VTR_CHECK(why.empty(), "data.store: {}: {}", impl_->folder.string(), why);
  if (const std::string what = caution(impl_->spec, request); !what.empty())
    log::warn("[data] {}: {}", impl_->folder.string(), what);
  std::vector<int64_t> places;
  std::vector<std::string> missing;
  for (const auto& record : manifest.videos) {
    const auto found = impl_->by_id.find(record.id);
    if (found == impl_->by_id.end()) {
      missing.push_back(record.id);
      continue;
    }
    const auto& entry = impl_->places[found->second].entry;
    impl_->check_same(entry, record);
    VTR_CHECK(
        skip_unreadable || entry.error.empty(),
        "data.store: {}: video '{}': {} (when it was packed); or go on without such videos by "
        "data.on_error=skip",
        impl_->folder.string(), entry.id, entry.error);
    places.push_back(static_cast<int64_t>(found->second));
  }
  VTR_CHECK(missing.empty(), "data.store: {}: {} of the {} videos of {} are not in it ({}, ...)",
            impl_->folder.string(), missing.size(), manifest.videos.size(), manifest.name,
            missing.front());
  return places;
}

void FrameStore::read(int64_t index, const video::Request& request, const FrameSlot& out) const {
  auto& place = impl_->places[static_cast<size_t>(index)];
  const auto& entry = place.entry;
  VTR_CHECK(entry.error.empty(), "{} (when it was packed)", entry.error);
  const uint8_t* frames = impl_->frames_of(place);
  const auto chosen = chosen_frames(static_cast<int64_t>(entry.sizes.size()), impl_->spec, request);
  const auto valid = static_cast<int64_t>(chosen.size());
  const int64_t bytes = 3 * request.resolution * request.resolution;
  FrameUnpacker unpack(impl_->spec, request, entry.height, entry.width);
  size_t frame = 0;
  for (int64_t i = 0; i < request.frames; ++i) {
    out.mask[i] = i < valid;
    if (i >= valid) {  // the last one again
      std::memcpy(out.pixels + i * bytes, out.pixels + (i - 1) * bytes, static_cast<size_t>(bytes));
      out.times[i] = out.times[i - 1];
      continue;
    }
    for (; frame < static_cast<size_t>(chosen[static_cast<size_t>(i)]); ++frame)
      frames += entry.sizes[frame];
    VTR_CHECK(unpack(frames, entry.sizes[frame], out.pixels + i * bytes),
              "{}: frame {} is no JPEG of {} x {}", impl_->where(place), frame, entry.width,
              entry.height);
    out.times[i] = entry.seconds[frame];
  }
}

}  // namespace vtr::data
