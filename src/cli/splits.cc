#include "splits.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/core/log.h"
#include "vtr/data/frame_store.h"
#include "vtr/eval/feature_store.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vtr::cli {
namespace {

using Json = nlohmann::ordered_json;

fs::path record_file(const fs::path& run) { return run / "data.json"; }

Json record(const data::Manifest& manifest) {
  Json sources = Json::array();
  for (const auto& source : manifest.sources) {
    sources.push_back({{"file", source.path.string()}, {"md5", source.md5}});
  }
  return {{"name", manifest.name},           {"videos", manifest.videos.size()},
          {"captions", manifest.captions()}, {"skipped", manifest.skipped},
          {"sha256", manifest.sha256()},     {"notes", manifest.notes},
          {"annotations", sources}};
}

template <class Bytes>
void note_bytes(Splits& splits, const Bytes& bytes_of) {
  for (const auto* manifest : {&splits.train, &splits.val}) {
    for (const auto& video : manifest->videos) splits.bytes.push_back(bytes_of(video));
  }
}

void note_frames(const data::DataOptions& options, Splits& splits) {
  // What else features depend on is compared when they are read.
  if (!options.features.empty()) {
    splits.frames = "features " + eval::FeatureStore::dtype(options.features);
  } else if (!options.store.empty()) {
    const data::FrameStore store(options.store, /*verify=*/false);
    splits.frames = "store " + store.digest();
    note_bytes(splits, [&](const data::Record& video) { return store.file_bytes(video.id); });
  } else {
    splits.frames = "videos";
    note_bytes(splits, [](const data::Record& video) {
      std::error_code missing;
      const auto bytes = static_cast<int64_t>(fs::file_size(video.path, missing));
      return missing ? 0 : bytes;
    });
  }
}

// The ids of the videos whose files have other sizes than before.
std::vector<std::string> changed_files(const std::vector<int64_t>& before, const Splits& now) {
  std::vector<std::string> ids;
  size_t i = 0;
  for (const auto* manifest : {&now.train, &now.val}) {
    for (const auto& video : manifest->videos) {
      if (i >= before.size() || before[i] != now.bytes[i]) ids.push_back(video.id);
      ++i;
    }
  }
  return ids;
}

// `read` of the run's record, nothing where it has none.
template <class Read>
auto from_record(const fs::path& run, const Read& read) -> decltype(read(Json())) {
  const fs::path path = record_file(run);
  if (!fs::exists(path)) return {};
  try {
    return read(Json::parse(read_file(path)));
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace

Splits read_splits(const data::DataOptions& options, data::Split chooser, uint64_t seed) {
  Splits splits{data::read_split(options, data::Split::train, seed),
                data::read_split(options, chooser, seed),
                {},
                {}};
  note_frames(options, splits);
  return splits;
}

void write_splits(const fs::path& run, const Splits& splits) {
  const Json json = {{data::split_name(data::Split::train), record(splits.train)},
                     {data::split_name(data::Split::val), record(splits.val)},
                     {"frames", splits.frames},
                     {"bytes", splits.bytes}};
  write_file(record_file(run), json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  std::string ids;
  for (const auto& video : splits.val.videos) ids += video.id + "\n";
  write_file(run / "validation.txt", ids);
}

std::pair<data::Split, data::Manifest> read_named(data::DataOptions options,
                                                  const std::string& name, uint64_t seed) {
  const bool own = name == "train" || name == "val" || name == "test";
  if (!own) options.test = name;
  const auto split = own ? data::split_named(name) : data::Split::test;
  return {split, data::read_split(options, split, seed)};
}

void log_notes(const data::Manifest& manifest) {
  for (const auto& note : manifest.notes) log::info("[data] {}: {}", manifest.name, note);
}

std::string split_change(const fs::path& run, data::Split split, const data::Manifest& now) {
  return from_record(run, [&](const Json& json) -> std::string {
    const Json& old = json.at(data::split_name(split));
    if (old.at("sha256") == now.sha256()) return "";
    return fmt::format(
        "{}: the {} split was {} videos, {} captions, {} skipped, and is another "
        "one now: {}, {}, {} (annotations, data.skip_list)",
        record_file(run).string(), data::split_name(split), old.at("videos").get<int64_t>(),
        old.at("captions").get<int64_t>(), old.at("skipped").size(), now.videos.size(),
        now.captions(), now.skipped.size());
  });
}

void check_splits(const fs::path& run, const Splits& now) {
  for (const auto& change : {split_change(run, data::Split::train, now.train),
                             split_change(run, data::Split::val, now.val)}) {
    VTR_CHECK(change.empty(), "{}; give another --run", change);
  }
  const auto frames =
      from_record(run, [](const Json& json) { return json.at("frames").get<std::string>(); });
  if (frames.empty() || frames.starts_with("videos ")) return;  // noted in another way
  VTR_CHECK(
      frames == now.frames,
      "{}: its frames were read from other {} (data.store, data.features); give another --run",
      record_file(run).string(), frames.substr(0, frames.find(' ')));
  const auto changed = from_record(run, [&](const Json& json) {
    const auto before = json.value("bytes", std::vector<int64_t>());
    return before.empty() ? std::vector<std::string>() : changed_files(before, now);
  });
  if (changed.empty()) return;
  constexpr size_t kMended = 100;  // one of so many
  const std::string what =
      fmt::format("{} of {} videos are other files than when the run began ({}{})", changed.size(),
                  now.bytes.size(), changed.front(), changed.size() > 1 ? ", ..." : "");
  VTR_CHECK(changed.size() <= std::max<size_t>(1, now.bytes.size() / kMended),
            "{}: {} (data.root, data.store); give another --run", record_file(run).string(), what);
  log::warn("[data] {}: it goes on with them", what);
}

}  // namespace vtr::cli
