#include "vtr/eval/feature_store.h"

#include "feature_index.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/core/log.h"
#include "vtr/models/towers.h"
#include "vtr/models/weights/safetensors.h"

#include <torch/types.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

namespace vtr::eval {
namespace {

constexpr const char* kInstead =
    "run vtr encode with this configuration and name its --out, or leave data.features empty";

// A split of the store, read when it is first asked for.
struct Opened {
  std::vector<Item> items;
  std::unordered_map<std::string, size_t> by_id;
  std::vector<int64_t> row;            // of each video among the encoded ones; -1: it was skipped
  std::vector<int64_t> first_caption;  // of each video, among all
  std::vector<models::TensorMap> video_shards, text_shards;
};

// "a, b, c, ..." and how many.
std::string some_of(std::vector<std::string> names) {
  const size_t count = names.size();
  names.resize(std::min<size_t>(count, 3));
  return fmt::format("{} ({}{})", count, fmt::join(names, ", "), count > 3 ? ", ..." : "");
}

Tensor find(const models::TensorMap& tensors, const std::string& name) {
  const auto found =
      std::ranges::find_if(tensors, [&](const auto& item) { return item.first == name; });
  return found == tensors.end() ? Tensor() : found->second;
}

}  // namespace

struct FeatureStore::Impl {
  explicit Impl(const Encoding& encoding)
      : folder(encoding.loader.data.features),
        verifies(encoding.loader.data.verify),
        index(read_index(folder)),
        opened(index.splits.size()) {
    image_hash = models::tower_hash(encoding.model.encoders(), models::Tower::image);
  }

  Features open(const Encoding& encoding, const data::Manifest& manifest, Texts texts) {
    Features::Videos videos = find_videos(encoding, manifest);
    Features::Texts words;
    if (texts != Texts::no) {
      const std::string why = find_texts(encoding, without(manifest, videos.skipped), words);
      VTR_CHECK(why.empty() || texts != Texts::needed, "{}", why);
      if (!why.empty()) {
        log::info("[features] texts are encoded here: {}", why);
        words = {};
      }
    }
    return {folder.string(), index.dtype, std::move(videos), std::move(words)};
  }

  Features::Videos find_videos(const Encoding& encoding, const data::Manifest& manifest) {
    std::string why;
    const auto splits =
        fitting(&StoredSplit::image, image_fingerprint(encoding, image_hash), manifest.name, why);
    Features::Videos result;
    std::map<size_t, int64_t> base;  // of a split's rows in the result's
    std::vector<std::string> missing, unreadable;
    for (size_t v = 0; v < manifest.videos.size(); ++v) {
      const auto& record = manifest.videos[v];
      const auto holds = [&](size_t split) { return open(split).by_id.contains(record.id); };
      const auto split = std::ranges::find_if(splits, holds);
      if (split == splits.end()) {
        missing.push_back(record.id);
        continue;
      }
      const auto& there = open(*split);
      const size_t at = there.by_id.at(record.id);
      check_file(record, there.items[at]);
      if (there.row[at] < 0) {
        unreadable.push_back(record.id);
        result.skipped.push_back(static_cast<int64_t>(v));
        continue;
      }
      if (!base.contains(*split)) base[*split] = add_videos(*split, encoding, result);
      result.row.push_back(base[*split] + there.row[at]);
    }
    VTR_CHECK(missing.empty() || why.empty(), "{}", why);
    VTR_CHECK(missing.empty(), "{}: has no features of {} of the {} videos of {}; {}",
              folder.string(), some_of(missing), manifest.videos.size(), manifest.name, kInstead);
    VTR_CHECK(unreadable.empty() || encoding.loader.data.on_error == "skip",
              "{}: videos could not be read when it was made: {}; go on without them by "
              "data.on_error=skip",
              folder.string(), some_of(unreadable));
    return result;
  }

  // Why there are none, or "" when they are in `result`.
  std::string find_texts(const Encoding& encoding, const data::Manifest& manifest,
                         Features::Texts& result) {
    if (text_hash.empty()) {
      text_hash = models::tower_hash(encoding.model.encoders(), models::Tower::text);
    }
    std::string why;
    auto splits =
        fitting(&StoredSplit::text, text_fingerprint(encoding, text_hash), manifest.name, why);
    const auto no_words = [&](size_t i) { return !index.splits[i].has_tokens(); };
    if (encoding.model.head().wants().tokens && std::erase_if(splits, no_words) > 0) {
      why = fmt::format("{}: has no features of words, which the head reads: vtr encode --tokens",
                        folder.string());
    }
    std::map<size_t, int64_t> base;
    for (const auto& record : manifest.videos) {
      for (const auto& caption : record.captions) {
        const auto row = [&](size_t split) { return caption_row(open(split), record.id, caption); };
        const auto split = std::ranges::find_if(splits, [&](size_t i) { return row(i) >= 0; });
        if (split == splits.end()) {
          return !why.empty() ? why
                              : fmt::format("{}: has no features of '{}' of {}; {}",
                                            folder.string(), caption, record.id, kInstead);
        }
        if (!base.contains(*split)) base[*split] = add_texts(*split, encoding, result);
        result.row.push_back(base[*split] + row(*split));
      }
    }
    return "";
  }

  // The row of a caption in its split, or -1.
  static int64_t caption_row(const Opened& split, const std::string& id,
                             const std::string& caption) {
    const auto found = split.by_id.find(id);
    if (found == split.by_id.end()) return -1;
    const auto& captions = split.items[found->second].captions;
    const auto at = std::ranges::find(captions, caption);
    return at == captions.end() ? -1 : split.first_caption[found->second] + (at - captions.begin());
  }

  // Where the file is away, so is what its name tells.
  void check_file(const data::Record& record, const Item& item) const {
    std::error_code none;
    const auto bytes = fs::file_size(record.path, none);
    VTR_CHECK(none || item.bytes == 0 || static_cast<int64_t>(bytes) == item.bytes,
              "{}: {} had {} bytes when its features were made, now it has {}; {}", folder.string(),
              record.path.string(), item.bytes, bytes, kInstead);
    VTR_CHECK(none || (record.start == item.start && record.end == item.end),
              "{}: video '{}' was [{}, {}) s of its file when its features were made, now it is "
              "[{}, {}); {}",
              folder.string(), item.id, item.start, item.end, record.start, record.end, kInstead);
  }

  // Appends a split's rows; returns where they begin.
  int64_t add_videos(size_t number, const Encoding& encoding, Features::Videos& to) {
    const auto& split = index.splits[number];
    load(split, split.video_shards, &StoredSplit::video_file, open(number).video_shards);
    const int64_t begin = to.frames.size();
    const bool patches = encoding.model.head().wants().patches;
    for (const auto& tensors : open(number).video_shards) {
      if (tensors.empty()) continue;
      to.frames.add(needed(tensors, "frames", split));
      to.mask.add(needed(tensors, "frame_mask", split));
      if (patches) to.patches.add(needed(tensors, "patches", split));
      if (const Tensor times = find(tensors, "times"); times.defined()) to.times.add(times);
    }
    return begin;
  }

  int64_t add_texts(size_t number, const Encoding& encoding, Features::Texts& to) {
    const auto& split = index.splits[number];
    load(split, split.text_shards, &StoredSplit::text_file, open(number).text_shards);
    const int64_t begin = to.pooled.size();
    for (const auto& tensors : open(number).text_shards) {
      to.pooled.add(needed(tensors, "pooled", split));
      if (!encoding.model.head().wants().tokens) continue;
      to.tokens.add(needed(tensors, "tokens", split));
      to.mask.add(needed(tensors, "text_mask", split));
    }
    return begin;
  }

  Tensor needed(const models::TensorMap& tensors, const std::string& name,
                const StoredSplit& split) const {
    const Tensor tensor = find(tensors, name);
    VTR_CHECK(tensor.defined(),
              "{}: {} has no '{}', which the head reads: vtr encode with this "
              "head writes them",
              folder.string(), split.name, name);
    return tensor;
  }

  Opened& open(size_t split) {
    auto& result = opened[split];
    if (!result) result = read(index.splits[split]);
    return *result;
  }

  Opened read(const StoredSplit& split) const {
    Opened result;
    result.items = read_items(folder, split);
    VTR_CHECK(static_cast<int64_t>(result.items.size()) == split.videos,
              "{}: {} lists {} videos, its items are {}", folder.string(), split.name, split.videos,
              result.items.size());
    result.row.assign(result.items.size(), 0);
    for (const auto& shard : split.video_shards) {
      for (const int64_t v : shard.skipped) result.row[static_cast<size_t>(v)] = -1;
    }
    int64_t row = 0, caption = 0;
    for (size_t v = 0; v < result.items.size(); ++v) {
      if (result.row[v] == 0) result.row[v] = row++;
      result.by_id.emplace(result.items[v].id, v);
      result.first_caption.push_back(caption);
      caption += static_cast<int64_t>(result.items[v].captions.size());
    }
    VTR_CHECK(caption == split.texts, "{}: {} lists {} texts, its items have {}", folder.string(),
              split.name, split.texts, caption);
    return result;
  }

  // The shards' tensors, mapped; with data.verify every byte is held against its checksum once.
  void load(const StoredSplit& split, const std::vector<Shard>& shards,
            std::string (StoredSplit::*file)(size_t) const,
            std::vector<models::TensorMap>& into) const {
    for (size_t i = into.size(); i < shards.size(); ++i) {
      const fs::path path = folder / (split.*file)(i);
      into.emplace_back();
      if (shards[i].rows == 0) continue;
      VTR_CHECK(fs::exists(path) && (!verifies || sha256_of_file(path) == shards[i].sha256),
                "{}: is not what was written: the same vtr encode writes it again", path.string());
      into.back() = models::load_safetensors(path);
      for (const auto& [name, tensor] : into.back()) {
        VTR_CHECK(tensor.dim() > 0 && tensor.size(0) == shards[i].rows,
                  "{}: '{}' has not the {} rows of the index", path.string(), name, shards[i].rows);
      }
    }
  }

  // The splits whose `part` is `here`, the one of that name first. `why` is what is wrong with the
  // one of that name or, where no other fits, with any.
  std::vector<size_t> fitting(Fingerprint StoredSplit::*part, const Fingerprint& here,
                              const std::string& name, std::string& why) const {
    std::vector<size_t> result;
    std::string any;
    for (size_t i = 0; i < index.splits.size(); ++i) {
      const auto& split = index.splits[i];
      const bool named = split.name == name;
      const std::string wrong = what_is_wrong(split, difference(split.*part, here));
      if (wrong.empty()) {
        result.insert(named ? result.begin() : result.end(), i);
      } else {
        (named ? why : any) = wrong;
      }
    }
    if (why.empty() && result.empty()) why = any;
    return result;
  }

  std::string what_is_wrong(const StoredSplit& split, const std::string& difference) const {
    if (!difference.empty()) {
      return fmt::format("{}: its features of {} are stale: {}; {}", folder.string(), split.name,
                         difference, kInstead);
    }
    if (split.whole()) return "";
    return fmt::format("{}: its features of {} are not whole: run the same vtr encode again",
                       folder.string(), split.name);
  }

  fs::path folder;
  const bool verifies;
  Index index;
  std::vector<std::optional<Opened>> opened;
  std::string image_hash, text_hash;
};

FeatureStore::FeatureStore(const Encoding& encoding) : impl_(std::make_unique<Impl>(encoding)) {}
FeatureStore::~FeatureStore() = default;

std::string FeatureStore::dtype(const fs::path& folder) { return read_index(folder).dtype; }

Features FeatureStore::open(const Encoding& encoding, const data::Manifest& manifest, Texts texts) {
  return impl_->open(encoding, manifest, texts);
}

}  // namespace vtr::eval
