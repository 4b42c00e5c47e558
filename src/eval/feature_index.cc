#include "feature_index.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace vtr::eval {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kFormat = "vtr features 1";

Json parts_json(const Fingerprint& parts) {
  Json object = Json::object();
  for (const auto& [name, value] : parts) object[name] = value;
  return object;
}

Fingerprint parts_of(const Json& object) {
  Fingerprint parts;
  for (const auto& [name, value] : object.items()) {
    parts.emplace_back(name, value.get<std::string>());
  }
  return parts;
}

Json shards_json(const std::vector<Shard>& shards) {
  Json list = Json::array();
  for (const auto& shard : shards) {
    list.push_back({{"sha256", shard.sha256}, {"rows", shard.rows}, {"skipped", shard.skipped}});
  }
  return list;
}

// The shards of so many items, each of `most`, the last one smaller.
std::vector<Shard> shards_of(const Json& list, int64_t items, int64_t most) {
  std::vector<Shard> shards;
  constexpr int64_t kMost = int64_t{1} << 40;
  VTR_CHECK(items >= 0 && items < kMost && most > 0 && most < kMost, "sizes that cannot be");
  for (const auto& value : list) {
    const Shard shard{value.at("sha256"), value.at("rows"), value.at("skipped")};
    const int64_t first = static_cast<int64_t>(shards.size()) * most;
    const int64_t count = std::min(most, items - first);
    const auto inside = [&](int64_t v) { return v >= first && v < first + count; };
    VTR_CHECK(count > 0 && shard.rows >= 0 && std::ranges::all_of(shard.skipped, inside) &&
                  std::ranges::is_sorted(shard.skipped, std::ranges::less_equal()) &&
                  shard.rows + static_cast<int64_t>(shard.skipped.size()) == count,
              "shard {} does not hold its {} items", shards.size(), count);
    shards.push_back(shard);
  }
  return shards;
}

StoredSplit split_of(const Json& value) {
  StoredSplit split{.name = value.at("name"),
                    .folder = store_folder(value.at("name")),
                    .image = parts_of(value.at("image")),
                    .text = parts_of(value.at("text")),
                    .made = parts_of(value.at("made")),
                    .videos = value.at("videos"),
                    .texts = value.at("texts"),
                    .videos_per_shard = value.at("videos_per_shard"),
                    .texts_per_shard = value.at("texts_per_shard"),
                    .items_sha256 = value.at("items_sha256"),
                    .video_shards = {},
                    .text_shards = {}};
  split.video_shards = shards_of(value.at("video_shards"), split.videos, split.videos_per_shard);
  split.text_shards = shards_of(value.at("text_shards"), split.texts, split.texts_per_shard);
  return split;
}

// `read` of a file's JSON; whatever is wrong with it is an Error that names the file.
template <class Read>
auto read_json(const fs::path& path, const std::string& text, const Read& read) {
  try {
    return read(Json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: not a feature store's: {}", path.string(), error.what()));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: not a feature store's: {}", path.string(), error.what()));
  }
}

size_t shards_for(int64_t items, int64_t most) {
  return static_cast<size_t>((items + most - 1) / most);
}

}  // namespace

size_t StoredSplit::video_shard_count() const { return shards_for(videos, videos_per_shard); }
size_t StoredSplit::text_shard_count() const { return shards_for(texts, texts_per_shard); }

bool StoredSplit::whole() const {
  return video_shards.size() == video_shard_count() && text_shards.size() == text_shard_count();
}

bool StoredSplit::has_tokens() const {
  return std::ranges::find(made, std::pair<std::string, std::string>("--tokens", "on")) !=
         made.end();
}

int64_t StoredSplit::rows() const {
  return std::transform_reduce(video_shards.begin(), video_shards.end(), int64_t{0}, std::plus(),
                               [](const Shard& shard) { return shard.rows; });
}

std::string StoredSplit::video_file(size_t shard) const {
  return fmt::format("{}/videos-{:05}.safetensors", folder, shard);
}

std::string StoredSplit::text_file(size_t shard) const {
  return fmt::format("{}/texts-{:05}.safetensors", folder, shard);
}

StoredSplit* Index::find(const std::string& name) {
  const auto found = std::ranges::find(splits, name, &StoredSplit::name);
  return found == splits.end() ? nullptr : &*found;
}

std::string folder_name(const std::string& split) {
  std::string name;
  for (const unsigned char c : split) {
    const bool kept = std::isalnum(c) || c == '_' || c == '-' || (c == '.' && !name.empty());
    name += kept ? static_cast<char>(c) : '-';
  }
  return name == split ? name : fmt::format("{}-{}", name, sha256(split).substr(0, 8));
}

std::string store_folder(const std::string& name) {
  const size_t space = name.find(' ');
  if (space == std::string::npos) return folder_name(name);
  return name.substr(0, space) + "-" + folder_name(name.substr(space + 1));
}

std::string to_json(const Index& index) {
  Json splits = Json::array();
  for (const auto& split : index.splits) {
    splits.push_back({{"name", split.name},
                      {"folder", split.folder},
                      {"image", parts_json(split.image)},
                      {"text", parts_json(split.text)},
                      {"made", parts_json(split.made)},
                      {"videos", split.videos},
                      {"texts", split.texts},
                      {"videos_per_shard", split.videos_per_shard},
                      {"texts_per_shard", split.texts_per_shard},
                      {"items_sha256", split.items_sha256},
                      {"video_shards", shards_json(split.video_shards)},
                      {"text_shards", shards_json(split.text_shards)}});
  }
  return Json({{"format", kFormat}, {"dtype", index.dtype}, {"splits", splits}}).dump(1) + "\n";
}

std::string to_json(const std::vector<Item>& items) {
  Json list = Json::array();
  for (const auto& item : items) {
    list.push_back({{"id", item.id},
                    {"bytes", item.bytes},
                    {"start", item.start},
                    {"end", item.end},
                    {"captions", item.captions}});
  }
  return list.dump(0, '\t', false, Json::error_handler_t::replace) + "\n";
}

Index read_index(const fs::path& folder) {
  const fs::path path = folder / kIndexFile;
  VTR_CHECK(fs::exists(path), "{}: is no feature store (no {} in it); vtr encode writes one",
            folder.string(), kIndexFile);
  return read_json(path, read_file(path), [](const Json& value) {
    VTR_CHECK(value.at("format") == kFormat, "its format is not '{}'", kFormat);
    Index index{value.at("dtype"), {}};
    for (const auto& split : value.at("splits")) index.splits.push_back(split_of(split));
    return index;
  });
}

std::vector<Item> read_items(const fs::path& folder, const StoredSplit& split) {
  const fs::path path = folder / split.folder / "items.json";
  const std::string text = read_file(path);
  VTR_CHECK(sha256(text) == split.items_sha256,
            "{}: its bytes are not those that were written: run vtr encode again with --overwrite",
            path.string());
  return read_json(path, text, [&](const Json& value) {
    std::vector<Item> items;
    for (const auto& item : value) {
      items.push_back(
          {item.at("id"), item.at("bytes"), item.at("start"), item.at("end"), item.at("captions")});
    }
    return items;
  });
}

std::vector<Item> items_of(const data::Manifest& manifest) {
  std::vector<Item> items;
  for (const auto& video : manifest.videos) {
    std::error_code none;
    const auto bytes = fs::file_size(video.path, none);
    items.push_back(
        {video.id, none ? 0 : static_cast<int64_t>(bytes), video.start, video.end, video.captions});
  }
  return items;
}

}  // namespace vtr::eval
