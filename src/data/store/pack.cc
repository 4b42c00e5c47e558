#include "frame_reader.h"
#include "store/index.h"
#include "store/picture.h"
#include "worker_pool.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/mapped_file.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
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

// What else they are known by is compared a shard at a time: a file may be mended, or come, between
// two calls.
std::string list_hash(const std::vector<Record>& videos) {
  std::string ids;
  for (const auto& record : videos) ids += record.id + "\n";
  return fmt::format("{:016x}", checksum_of(ids.data(), ids.size()));
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
              name == "list" ? " (other videos)" : "");
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

// Shards of a store, written one after the other.
class Shards {
 public:
  Shards(const fs::path& folder, const std::vector<Record>& videos, const StoreSpec& spec,
         Ahead& ahead, const std::function<void(int64_t, int64_t)>& progress)
      : folder_(folder), videos_(videos), spec_(spec), ahead_(ahead), progress_(progress) {}

  // What is missing or of files that have changed; then what holds a video that could not be read
  // and can be now: it may have been the time limit, or the disk.
  void write() {
    std::vector<Shard> missing, failed;
    for (int64_t number = 0; number < shard_count(spec_); ++number) {
      Shard shard = find(number);
      const bool whole = !shard.before.empty() && stand(shard);
      const bool failures = std::ranges::any_of(shard.before, failed_entry);
      if (!whole) {
        missing.push_back(std::move(shard));
      } else if (failures) {
        failed.push_back(std::move(shard));
      }
    }
    write(missing);
    write(readable_now(std::move(failed)));
  }

 private:
  struct Shard {
    int64_t number, begin, end;      // of its videos, the end exclusive
    std::vector<StoreEntry> before;  // of an earlier call; empty: none, or not whole
    std::vector<bool> kept{};        // whose frames are copied from there
  };

  static bool failed_entry(const StoreEntry& entry) { return !entry.error.empty(); }

  const Record& video(const Shard& shard, size_t i) const {
    return videos_[static_cast<size_t>(shard.begin) + i];
  }

  Shard find(int64_t number) const {
    const int64_t begin = number * spec_.shard_videos;
    Shard shard{number, begin, std::min(begin + spec_.shard_videos, spec_.videos), {}};
    const auto index = shard_file(folder_, number, "jsonl");
    const auto frames = shard_file(folder_, number, "bin");
    if (!fs::exists(index) || !fs::exists(frames)) return shard;
    try {
      shard.before = read_entries(index, spec_, static_cast<int64_t>(fs::file_size(frames)));
      if (std::ssize(shard.before) != shard.end - begin) shard.before.clear();
    } catch (const Error& error) {
      log::warn("[data] {}; the shard is written again", error.what());
    }
    return shard;
  }

  // Whether an entry is of the file as it is now. One that is away has not changed.
  static bool stands(const StoreEntry& entry, const Record& record) {
    const auto now = identity(record);
    return entry.id == now.id && (now.file_bytes == 0 || to_line(now) == identity_line(entry));
  }

  bool stand(const Shard& shard) const {
    for (size_t i = 0; i < shard.before.size(); ++i) {
      if (stands(shard.before[i], video(shard, i))) continue;
      log::warn("[data] {}: video '{}' has changed; it is packed again",
                shard_file(folder_, shard.number, "jsonl").string(), video(shard, i).id);
      return false;
    }
    return true;
  }

  std::vector<Shard> readable_now(std::vector<Shard> failed) {
    const auto each = [&](const Shard& shard, const auto& act) {
      for (size_t i = 0; i < shard.before.size(); ++i) {
        if (failed_entry(shard.before[i])) act(shard.begin + static_cast<int64_t>(i));
      }
    };
    int64_t videos = 0, readable = 0;
    for (const auto& shard : failed) {
      each(shard, [&](int64_t v) { ahead_.add(v), ++videos; });
    }
    if (videos > 0) log::info("[data] {} videos that could not be read are tried again", videos);
    std::erase_if(failed, [&](const Shard& shard) {
      const int64_t before = readable;
      each(shard, [&](int64_t) { readable += !failed_entry(ahead_.next().entry); });
      return readable == before;
    });
    if (readable > 0) log::info("[data] {} of them can be read now", readable);
    return failed;
  }

  void write(std::vector<Shard> shards) {
    int64_t done = spec_.videos;
    for (auto& shard : shards) {
      shard.kept = sound(shard);
      for (int64_t v = shard.begin; v < shard.end; ++v) {
        if (!shard.kept[static_cast<size_t>(v - shard.begin)]) ahead_.add(v), --done;
      }
    }
    for (const auto& shard : shards) write(shard, done);
  }

  // Which entries' frames are there still, as they were written.
  std::vector<bool> sound(const Shard& shard) const {
    std::vector<bool> kept(static_cast<size_t>(shard.end - shard.begin), false);
    if (std::ranges::all_of(shard.before, failed_entry)) return kept;
    const MappedFile frames(shard_file(folder_, shard.number, "bin"));
    for (size_t i = 0; i < shard.before.size(); ++i) {
      const auto& entry = shard.before[i];
      kept[i] = !failed_entry(entry) && stands(entry, video(shard, i)) &&
                checksum_of(frames.data() + entry.offset, static_cast<size_t>(entry.bytes())) ==
                    entry.checksum;
    }
    return kept;
  }

  // Its videos in order; the index is what makes it whole.
  void write(const Shard& shard, int64_t& done) {
    const auto frames = shard_file(folder_, shard.number, "bin");
    const auto index = shard_file(folder_, shard.number, "jsonl");
    std::optional<MappedFile> before;
    if (std::ranges::count(shard.kept, true) > 0) before.emplace(frames);
    AsideFile file(frames);
    std::string lines;
    int64_t offset = 0;
    for (size_t i = 0; i < shard.kept.size(); ++i) {
      PackedVideo packed;
      if (shard.kept[i]) {
        packed.entry = shard.before[i];
        file.write(before->data() + packed.entry.offset, static_cast<size_t>(packed.entry.bytes()));
      } else {
        packed = ahead_.next();
        file.write(packed.bytes.data(), packed.bytes.size());
        progress_(++done, spec_.videos);
      }
      packed.entry.offset = offset;
      offset += packed.entry.bytes();
      lines += to_line(packed.entry);
    }
    fs::remove(index);  // an earlier one's, of other frames
    file.commit();
    sync_path(folder_);
    write_file(index, lines);
  }

  const fs::path& folder_;
  const std::vector<Record>& videos_;
  const StoreSpec& spec_;
  Ahead& ahead_;
  const std::function<void(int64_t, int64_t)>& progress_;
};

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
  for (const auto& request : requests) {
    if (const std::string what = caution(spec, request); !what.empty())
      log::warn("[data] {}: {}", out.string(), what);
  }
  Ahead ahead(videos, spec, requests.front(), data);
  try {
    Shards(out, videos, spec, ahead, progress).write();
  } catch (const std::exception& error) {  // an unreadable video, a full disk
    throw Error(
        fmt::format("{}; the shards that are whole are kept, the same command goes on from there",
                    error.what()));
  }
  return summary(out, spec);
}

}  // namespace vtr::data
