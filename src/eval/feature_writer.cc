#include "feature_index.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/core/log.h"
#include "vtr/eval/feature_store.h"
#include "vtr/models/towers.h"
#include "vtr/models/weights/safetensors.h"

#include <torch/types.h>

#include <algorithm>
#include <map>

namespace vtr::eval {
namespace {

int64_t up_to_multiple(int64_t n, int64_t of) { return (n + of - 1) / of * of; }

// What is gathered for one file.
class Gathered {
 public:
  void add(const char* name, const Tensor& part) {
    if (part.defined()) parts_[name].push_back(part.to(torch::kCPU));
  }
  // Joined, features in `dtype`; throws Error where that is not finite.
  models::TensorMap take(at::ScalarType dtype, const fs::path& path) {
    models::TensorMap tensors;
    for (const auto& [name, parts] : parts_) {
      Tensor joined = torch::cat(parts);
      if (joined.is_floating_point() && name != "times") joined = joined.to(dtype);
      VTR_CHECK(joined.isfinite().all().item<bool>(), "{}: '{}' would hold NaN or infinity: {}",
                path.string(), name,
                dtype == torch::kHalf ? "try --dtype fp32, else the weights are broken"
                                      : "the weights are broken");
      tensors.emplace_back(name, joined);
    }
    parts_.clear();
    return tensors;
  }

 private:
  std::map<std::string, std::vector<Tensor>> parts_;
};

class Writer {
 public:
  Writer(const fs::path& folder, const StoreOptions& options)
      : folder_(folder), options_(options), lock_(made(folder)) {
    if (options.overwrite) clear();
    if (fs::exists(folder / kIndexFile)) {
      index_ = read_index(folder);
      VTR_CHECK(index_.dtype == options.dtype,
                "{}: is a store of {}, {} is asked for: give another --out, or --overwrite",
                folder.string(), index_.dtype, options.dtype);
    } else {
      for (const auto& entry : fs::directory_iterator(folder)) {
        VTR_CHECK(entry.path().filename() == "index.json.tmp",  // of a process that was killed
                  "{}: holds something else ({}) and is no feature store", folder.string(),
                  entry.path().filename().string());
      }
      index_.dtype = options.dtype;
      save_index();
    }
  }

  void add(const SplitToEncode& given) {
    const auto& [encoding, manifest] = given;
    refuse_random_frames(encoding.loader.video, manifest.name);
    models::Wanted wanted = encoding.model.head().wants();
    wanted.tokens |= options_.tokens;
    wanted.patches |= options_.patches;
    const auto gives = encoding.model.encoders().info().gives;
    VTR_CHECK((!wanted.tokens || gives.tokens) && (!wanted.patches || gives.patches),
              "{}: these encoders give no features of every {}", manifest.name,
              wanted.tokens && !gives.tokens ? "token" : "patch");
    encoding.model.eval();
    StoredSplit& split = open(encoding, manifest, wanted);
    keep_sound(split, split.video_shards, &StoredSplit::video_file);
    keep_sound(split, split.text_shards, &StoredSplit::text_file);
    write_videos(split, encoding, manifest, wanted);
    write_texts(split, encoding, captions_of(manifest), wanted);
    log::info("[encode] {}: {} videos, {} texts, {} skipped", split.name, split.rows(), split.texts,
              split.videos - split.rows());
  }

 private:
  static const fs::path& made(const fs::path& folder) {
    fs::create_directories(folder);
    return folder;
  }

  // The index last: a folder without it would be taken for somebody else's.
  void clear() {
    if (fs::is_empty(folder_)) return;
    for (const auto& split : read_index(folder_).splits) fs::remove_all(folder_ / split.folder);
    fs::remove(folder_ / kIndexFile);
  }

  void save_index() {
    write_file(folder_ / kIndexFile, to_json(index_));
    sync_path(folder_);
  }

  // The split as it stands in the index, or anew.
  StoredSplit& open(const Encoding& encoding, const data::Manifest& manifest,
                    const models::Wanted& wanted) {
    auto items = items_of(manifest);
    StoredSplit fresh = header(encoding, manifest, wanted, items);
    if (StoredSplit* there = index_.find(manifest.name)) {
      std::string other;
      for (const auto part : {&StoredSplit::image, &StoredSplit::text, &StoredSplit::made}) {
        const std::string more = difference(there->*part, fresh.*part);
        other += other.empty() || more.empty() ? more : ", " + more;
      }
      VTR_CHECK(other.empty(),
                "{}: holds other features of {}: {}; give another --out, or --overwrite",
                folder_.string(), manifest.name, other);
      take_changes(*there, items);
      write_items(fresh, items);
      return *there;
    }
    write_items(fresh, items);
    index_.splits.push_back(fresh);
    save_index();
    return index_.splits.back();
  }

  void write_items(const StoredSplit& split, const std::vector<Item>& items) const {
    fs::create_directories(folder_ / split.folder);
    write_file(folder_ / split.folder / "items.json", to_json(items));
  }

  // A file that has another size than when it was encoded, a mended one, is encoded again, with all
  // from its shard on. Of one that is away, what was encoded stays.
  void take_changes(StoredSplit& there, std::vector<Item>& items) {
    if (sha256(to_json(items)) == there.items_sha256) return;
    const auto before = read_items(folder_, there);
    const auto changed = [&](size_t i) {
      return items[i].bytes != 0 && items[i].bytes != before[i].bytes;
    };
    size_t first = 0;
    while (first < items.size() && !changed(first)) ++first;
    const size_t whole = first / static_cast<size_t>(there.videos_per_shard);
    if (first < items.size() && whole < there.video_shards.size()) {
      log::warn(
          "[encode] {}: {} is another file than was encoded: from shard {} on it is done anew",
          there.name, items[first].id, whole);
      there.video_shards.resize(whole);
    }
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].bytes == 0) items[i].bytes = before[i].bytes;
    }
    there.items_sha256 = sha256(to_json(items));
    save_index();
  }

  StoredSplit header(const Encoding& encoding, const data::Manifest& manifest,
                     const models::Wanted& wanted, std::vector<Item> items) {
    const std::string items_sha256 = sha256(to_json(items));
    for (auto& item : items) item.bytes = 0;
    auto& encoders = encoding.model.encoders();
    if (image_hash_.empty()) {
      image_hash_ = models::tower_hash(encoders, models::Tower::image);
      text_hash_ = models::tower_hash(encoders, models::Tower::text);
    }
    const int64_t shard = up_to_multiple(options_.shard, encoding.batch);
    return {.name = manifest.name,
            .folder = store_folder(manifest.name),
            .image = image_fingerprint(encoding, image_hash_),
            .text = text_fingerprint(encoding, text_hash_),
            .made = {{"the list of videos and captions", sha256(to_json(items))},
                     {"eval.batch", std::to_string(encoding.batch)},
                     {"--shard", std::to_string(options_.shard)},
                     {"--tokens", wanted.tokens ? "on" : "off"},
                     {"--patches", wanted.patches ? "on" : "off"}},
            .videos = static_cast<int64_t>(manifest.videos.size()),
            .texts = manifest.captions(),
            .videos_per_shard = shard,
            .texts_per_shard = up_to_multiple(16 * shard, kTextBatch),
            .items_sha256 = items_sha256,
            .video_shards = {},
            .text_shards = {}};
  }

  // Shards from the first one on that is missing or is not what was written are written again.
  void keep_sound(const StoredSplit& split, std::vector<Shard>& shards,
                  std::string (StoredSplit::*file)(size_t) const) const {
    for (size_t i = 0; i < shards.size(); ++i) {
      const fs::path path = folder_ / (split.*file)(i);
      if (shards[i].rows == 0) continue;
      if (fs::exists(path) && sha256_of_file(path) == shards[i].sha256) continue;
      log::warn("[encode] {}: is not what was written, and is written again", path.string());
      shards.resize(i);
    }
  }

  void write_videos(StoredSplit& split, const Encoding& encoding, const data::Manifest& manifest,
                    const models::Wanted& wanted) {
    const int64_t per = split.videos_per_shard;
    const auto first = static_cast<int64_t>(split.video_shards.size()) * per;
    if (first >= split.videos) return;
    const data::Manifest rest{manifest.name,
                              {manifest.videos.begin() + first, manifest.videos.end()}};
    Gathered gathered;
    std::vector<int64_t> rows;  // the videos gathered
    const auto flush_before = [&](int64_t video) {
      while (static_cast<int64_t>(split.video_shards.size()) < video / per) {
        add_videos(split, gathered, rows);
        rows.clear();
      }
    };
    encode_videos(encoding, rest, wanted,
                  [&](const models::VideoFeatures& features, const std::vector<int64_t>& which) {
                    flush_before(first + which.front());
                    gathered.add("frames", features.frames);
                    gathered.add("patches", features.patches);
                    gathered.add("frame_mask", features.mask);
                    gathered.add("times", features.times);
                    for (const int64_t v : which) rows.push_back(first + v);
                  });
    flush_before(up_to_multiple(split.videos, per));
    VTR_CHECK(split.rows() > 0, "{}: no video can be read", manifest.name);
  }

  // The next shard: the gathered rows, and those of its videos that are not among them as skipped.
  void add_videos(StoredSplit& split, Gathered& gathered, const std::vector<int64_t>& rows) {
    const auto begin = static_cast<int64_t>(split.video_shards.size()) * split.videos_per_shard;
    Shard shard{"", static_cast<int64_t>(rows.size()), {}};
    for (int64_t v = begin; v < std::min(begin + split.videos_per_shard, split.videos); ++v) {
      if (!std::ranges::binary_search(rows, v)) shard.skipped.push_back(v);
    }
    if (shard.rows > 0) shard.sha256 = save(split.video_file(split.video_shards.size()), gathered);
    split.video_shards.push_back(shard);
    save_index();
  }

  void write_texts(StoredSplit& split, const Encoding& encoding,
                   const std::vector<std::string>& captions, const models::Wanted& wanted) {
    const auto first = static_cast<int64_t>(split.text_shards.size()) * split.texts_per_shard;
    if (first >= split.texts) return;
    Gathered gathered;
    int64_t done = first, begin = first;
    encode_texts(encoding, {captions.begin() + first, captions.end()}, wanted,
                 [&](const models::TextFeatures& features) {
                   gathered.add("pooled", features.pooled);
                   gathered.add("tokens", features.tokens);
                   if (features.tokens.defined()) gathered.add("text_mask", features.mask);
                   done += features.pooled.size(0);
                   if (done - begin < split.texts_per_shard && done < split.texts) return;
                   const auto file = split.text_file(split.text_shards.size());
                   split.text_shards.push_back({save(file, gathered), done - begin, {}});
                   save_index();
                   begin = done;
                 });
  }

  std::string save(const std::string& file, Gathered& gathered) const {
    const fs::path path = folder_ / file;
    models::save_safetensors(
        path, gathered.take(options_.dtype == "fp16" ? torch::kHalf : torch::kFloat, path));
    sync_path(path.parent_path());
    return sha256_of_file(path);
  }

  const fs::path folder_;
  const StoreOptions options_;
  const FolderLock lock_;
  Index index_;
  std::string image_hash_, text_hash_;
};

}  // namespace

void write_features(const fs::path& folder, const StoreOptions& options,
                    const std::vector<SplitToEncode>& splits) {
  Writer writer(folder, options);
  for (const auto& split : splits) writer.add(split);
}

}  // namespace vtr::eval
