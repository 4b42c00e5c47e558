#include "frame_reader.h"
#include "store/index.h"
#include "store/picture.h"
#include "worker_pool.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <deque>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>

namespace vtr::data {
namespace {

// The videos of all parts, each once, in the order they are first met.
std::vector<Record> all_videos(const std::vector<PackPart>& parts) {
  std::vector<Record> videos;
  std::unordered_map<std::string, size_t> places;
  for (const auto& part : parts) {
    for (const auto& record : part.manifest.videos) {
      const auto [found, fresh] = places.try_emplace(record.id, videos.size());
      if (fresh) videos.push_back({record.id, record.path, {}, record.start, record.end});
      const auto& known = videos[found->second];
      VTR_CHECK(known.path == record.path && known.start == record.start && known.end == record.end,
                "{}: video '{}' is [{}, {}) s of {}, and [{}, {}) s of {} in another split",
                part.manifest.name, record.id, record.start, record.end, record.path.string(),
                known.start, known.end, known.path.string());
    }
  }
  return videos;
}

// Of all that the videos are known by but the sizes: a file may be mended between two calls.
std::string list_hash(const std::vector<Record>& videos) {
  std::string lines;
  for (const auto& record : videos) {
    auto entry = identity(record);
    entry.file_bytes = 0;
    lines += to_line(entry);
  }
  return hash_of(lines);
}

// The folder is made, and nothing is written into one of something else.
void open_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  VTR_CHECK(!error, "--out {}: a folder is needed, and none can be made there ({})",
            folder.string(), error.message());
  if (fs::exists(spec_file(folder))) return;
  for (const auto& file : fs::directory_iterator(folder)) {
    VTR_CHECK(file.path() == spec_file(folder).string() + ".tmp",
              "{}: holds other files and is no frame store; give an empty --out", folder.string());
  }
}

// The store's fingerprint is written first, and all that is added later is of that same one.
void open_store(const fs::path& folder, const StoreSpec& spec) {
  const auto path = spec_file(folder);
  if (!fs::exists(path)) {
    write_file(path, config::to_text(config::write(spec)));
    return;
  }
  const auto there = config::write(read_spec(folder));
  for (const auto& field : config::write(spec)) {
    const auto name = field.first.as<std::string>();
    VTR_CHECK(field.second.Scalar() == there[name].Scalar(),
              "{}: {}: {} in the store, {} is asked for now{}; remove the folder or give another "
              "--out",
              path.string(), name, there[name].Scalar(), field.second.Scalar(),
              name == "list" ? " (ids, files or parts have changed)" : "");
  }
}

struct PackedVideo {
  StoreEntry entry;
  std::vector<uint8_t> bytes;
};

PackedVideo pack_video(const Record& record, const StoreSpec& spec, video::Request request,
                       bool skip) {
  PackedVideo packed{identity(record), {}};
  auto& entry = packed.entry;
  request.frames = spec.frames;
  request.resolution = spec.resolution;
  request.sampling = spec.sampling;
  request.crop = spec.crop;
  request.flip = 0;
  request.jitter = {};
  video::Frames frames;
  try {
    frames = decode(record, request);
  } catch (const std::exception& error) {  // a decoder's own, of a broken file, too
    entry.error = error.what();
    VTR_CHECK(skip, "video '{}': {} (data.on_error=skip leaves such videos out)", record.id,
              entry.error);
    return packed;
  }
  entry.height = frames.height;
  entry.width = frames.width;
  const int64_t frame = 3 * frames.height * frames.width;
  for (int64_t i = 0; i < frames.valid; ++i) {
    const size_t before = packed.bytes.size();
    append_frame(frames.pixels.data() + i * frame, frames.height, frames.width, spec, packed.bytes);
    entry.sizes.push_back(static_cast<int64_t>(packed.bytes.size() - before));
    entry.seconds.push_back(frames.seconds[static_cast<size_t>(i)]);
  }
  entry.checksum = checksum_of(packed.bytes.data(), packed.bytes.size());
  return packed;
}

// Videos packed ahead on threads and handed out in order.
class Ahead {
 public:
  Ahead(const std::vector<Record>& videos, const StoreSpec& spec, const video::Request& request,
        const DataOptions& data)
      : videos_(videos),
        spec_(spec),
        request_(request),
        skip_(data.on_error == "skip"),
        pool_(data.workers) {}
  void add(int64_t video) { todo_.push_back(video); }
  PackedVideo next() {
    // What is ahead bounds the memory: two videos a thread.
    while (!todo_.empty() && running_.size() < 2 * pool_.size()) {
      running_.push_back(pool_.run([this, v = static_cast<size_t>(todo_.front())] {
        return pack_video(videos_[v], spec_, request_, skip_);
      }));
      todo_.pop_front();
    }
    auto future = std::move(running_.front());
    running_.pop_front();
    return future.get();
  }

 private:
  const std::vector<Record>& videos_;
  const StoreSpec& spec_;
  const video::Request request_;
  const bool skip_;
  std::deque<int64_t> todo_;
  std::deque<std::future<PackedVideo>> running_;
  WorkerPool pool_;  // last, so that it ends before what its tasks use
};

// One shard from its videos in order; the index is what makes it whole.
void write_shard(const fs::path& folder, int64_t shard, int64_t videos, Ahead& ahead,
                 const std::function<void()>& progress) {
  AsideFile file(shard_file(folder, shard, "bin"));
  std::string lines;
  int64_t offset = 0;
  for (int64_t i = 0; i < videos; ++i) {
    PackedVideo packed = ahead.next();
    packed.entry.offset = offset;
    file.write(packed.bytes.data(), packed.bytes.size());
    offset += packed.entry.bytes();
    lines += to_line(packed.entry);
    progress();
  }
  const auto index = shard_file(folder, shard, "jsonl");
  fs::remove(index);  // an earlier one's, of other frames
  file.commit();
  sync_path(folder);
  write_file(index, lines);
}

// The entries of a shard that is there, of the length its index says and of the files as they are
// now; else none. A file that is away has not changed.
std::vector<StoreEntry> whole_shard(const fs::path& folder, int64_t shard,
                                    std::span<const Record> videos, const StoreSpec& spec) {
  const auto index = shard_file(folder, shard, "jsonl"), frames = shard_file(folder, shard, "bin");
  if (!fs::exists(index) || !fs::exists(frames)) return {};
  try {
    const auto bytes = static_cast<int64_t>(fs::file_size(frames));
    auto entries = read_entries(index, spec, bytes);
    if (entries.size() != videos.size()) return {};
    for (size_t i = 0; i < videos.size(); ++i) {
      const auto now = identity(videos[i]);
      VTR_CHECK(now.file_bytes == 0 || to_line(now) == identity_line(entries[i]),
                "{}: video '{}' has changed", index.string(), videos[i].id);
    }
    return entries;
  } catch (const Error& error) {
    log::warn("[data] {}; the shard is written again", error.what());
    return {};
  }
}

// First and last, exclusive, of a shard's videos.
std::pair<int64_t, int64_t> range_of(int64_t shard, const StoreSpec& spec) {
  const int64_t begin = shard * spec.shard_videos;
  return {begin, std::min(begin + spec.shard_videos, spec.videos)};
}

// Those that are not whole, and those with a video that could not be read and can be now: it may
// have been the time limit, or the disk.
std::set<int64_t> shards_to_write(const fs::path& folder, const std::vector<Record>& videos,
                                  const StoreSpec& spec, Ahead& ahead) {
  std::set<int64_t> shards;
  std::vector<int64_t> failed;
  for (int64_t shard = 0; shard < shard_count(spec); ++shard) {
    const auto [begin, end] = range_of(shard, spec);
    const auto entries =
        whole_shard(folder, shard, {videos.begin() + begin, videos.begin() + end}, spec);
    if (entries.empty()) shards.insert(shard);
    for (size_t i = 0; i < entries.size(); ++i) {
      if (!entries[i].error.empty()) failed.push_back(begin + static_cast<int64_t>(i));
    }
  }
  if (!failed.empty())
    log::info("[data] {} videos that could not be read are tried again", failed.size());
  for (const int64_t video : failed) ahead.add(video);
  int64_t readable = 0;
  for (const int64_t video : failed) {
    if (!ahead.next().entry.error.empty()) continue;
    shards.insert(video / spec.shard_videos);
    ++readable;
  }
  if (readable > 0)
    log::warn("[data] {} of them can be read now; their shards are written again", readable);
  return shards;
}

Packed summary(const fs::path& folder, const StoreSpec& spec) {
  Packed result;
  for (int64_t shard = 0; shard < shard_count(spec); ++shard) {
    const auto bytes = static_cast<int64_t>(fs::file_size(shard_file(folder, shard, "bin")));
    for (const auto& entry : read_entries(shard_file(folder, shard, "jsonl"), spec, bytes)) {
      ++result.videos;
      if (!entry.error.empty())
        result.unreadable.push_back(fmt::format("video '{}': {}", entry.id, entry.error));
    }
    result.bytes += bytes;
  }
  return result;
}

}  // namespace

Packed pack(const std::vector<PackPart>& parts, const PackOptions& options, const DataOptions& data,
            const fs::path& out, const std::function<void(int64_t, int64_t)>& progress) {
  std::vector<video::Request> requests;
  for (const auto& part : parts) requests.push_back(part.request);
  const auto videos = all_videos(parts);
  VTR_CHECK(!videos.empty(), "there is no video to pack");
  StoreSpec spec = spec_for(options, requests);
  spec.videos = static_cast<int64_t>(videos.size());
  spec.list = list_hash(videos);
  open_folder(out);
  const FolderLock lock(out);
  open_store(out, spec);
  Ahead ahead(videos, spec, requests.front(), data);
  try {
    const auto shards = shards_to_write(out, videos, spec, ahead);
    int64_t done = spec.videos;
    for (const int64_t shard : shards) {
      const auto [begin, end] = range_of(shard, spec);
      done -= end - begin;
      for (int64_t v = begin; v < end; ++v) ahead.add(v);
    }
    for (const int64_t shard : shards) {
      const auto [begin, end] = range_of(shard, spec);
      write_shard(out, shard, end - begin, ahead, [&] { progress(++done, spec.videos); });
    }
  } catch (const std::exception& error) {  // an unreadable video, a full disk
    throw Error(
        fmt::format("{}; the shards that are whole are kept, the same command goes on from there",
                    error.what()));
  }
  return summary(out, spec);
}

}  // namespace vtr::data
