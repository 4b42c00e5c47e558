#include "vtr/data/manifest.h"

#include "datasets/sources.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/core/log.h"
#include "vtr/core/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <unordered_set>
#include <utility>

namespace vtr::data {
namespace {

// Which training videos the validation split takes.
std::vector<bool> carved(size_t videos, double fraction, uint64_t seed) {
  VTR_CHECK(videos >= 2, "data.val_fraction: one training video cannot be split in two");
  std::vector<size_t> order(videos);
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(derive(seed, "validation")).shuffle(order);
  const auto wanted = std::max<int64_t>(1, std::llround(static_cast<double>(videos) * fraction));
  std::vector<bool> taken(videos, false);
  for (size_t i = 0; i < static_cast<size_t>(wanted); ++i) taken[order[i]] = true;
  return taken;
}

Manifest part(const Manifest& whole, const std::vector<bool>& taken, bool which,
              const char* suffix) {
  Manifest result{whole.name + suffix, {}, whole.notes, whole.sources};
  for (size_t i = 0; i < whole.videos.size(); ++i) {
    if (taken[i] == which) result.videos.push_back(whole.videos[i]);
  }
  return result;
}

// Missing files are told before any training. With on_error: skip they stay in the manifest, so
// that whoever leaves them out later has to count them.
void check_files(const Manifest& manifest, const DataOptions& options) {
  if (!options.store.empty()) return;  // the store's own index says what it holds
  std::vector<std::string> missing;
  for (const auto& video : manifest.videos) {
    std::error_code none;
    if (fs::file_size(video.path, none) == 0 || none) missing.push_back(video.path.string());
  }
  if (missing.empty()) return;
  const size_t count = missing.size();
  missing.resize(std::min<size_t>(count, 3));
  const std::string message =
      fmt::format("{}: {} of {} video files are missing or empty ({}{})", manifest.name, count,
                  manifest.videos.size(), fmt::join(missing, ", "), count > 3 ? ", ..." : "");
  const bool some_left = count < manifest.videos.size();
  VTR_CHECK(options.on_error == "skip" && some_left, "{}; check data.root and data.videos{}",
            message, some_left ? ", or go on without them by data.on_error=skip" : "");
  log::warn("[data] {}: they are skipped", message);
}

Manifest read_named(const DataOptions& options, Split role, const std::string& name) {
  Manifest manifest = datasets().find(options.dataset).read(options, role, name);
  VTR_CHECK(!manifest.videos.empty(), "{}: the split has no videos", manifest.name);
  return manifest;
}

Manifest read_whole(const DataOptions& options, Split split, uint64_t seed) {
  if (split == Split::test) return read_named(options, split, options.test);
  if (split == Split::val && !options.val.empty()) return read_named(options, split, options.val);
  const bool carve = options.val.empty() && options.val_fraction > 0;
  if (split == Split::val && !carve) return {};
  const Manifest train = read_named(options, Split::train, options.train);
  if (!carve) return train;
  const auto taken = carved(train.videos.size(), options.val_fraction, seed);
  return split == Split::val ? part(train, taken, true, ", validation part")
                             : part(train, taken, false, "");
}

void leave_out(Manifest& manifest, const std::string& skip_list) {
  if (skip_list.empty()) return;
  const auto ids = read_skip_list(skip_list);
  for (auto& video : std::exchange(manifest.videos, {})) {
    if (ids.contains(video.id)) {
      manifest.skipped.push_back(video.id);
    } else {
      manifest.videos.push_back(std::move(video));
    }
  }
  VTR_CHECK(!manifest.videos.empty() || manifest.skipped.empty(),
            "{}: data.skip_list leaves none of its {} videos", manifest.name,
            manifest.skipped.size());
}

}  // namespace

std::string split_name(Split split) {
  return split == Split::train ? "train" : split == Split::val ? "val" : "test";
}

Split split_named(const std::string& name) {
  for (const Split split : {Split::train, Split::val, Split::test}) {
    if (name == split_name(split)) return split;
  }
  throw Error(fmt::format("split '{}' is not one of train, val, test", name));
}

int64_t Manifest::captions() const {
  int64_t total = 0;
  for (const auto& video : videos) total += static_cast<int64_t>(video.captions.size());
  return total;
}

std::unordered_set<std::string> read_skip_list(const fs::path& path) {
  std::istringstream in(without_mark(read_file(path)));
  std::unordered_set<std::string> ids;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    const size_t tab = line.find('\t');
    const bool comment = line.starts_with('#') && tab == std::string::npos;
    if (!line.empty() && !comment) ids.insert(line.substr(0, tab));
  }
  return ids;
}

std::string Manifest::sha256() const {
  std::string text;
  const auto add = [&](const std::string& part) {
    text += fmt::format("{} {}\n", part.size(), part);
  };
  for (const auto& video : videos) {
    add(video.id);
    text += fmt::format("{} {} {}\n", video.start, video.end, video.captions.size());
    for (const auto& caption : video.captions) add(caption);
  }
  return vtr::sha256(text);
}

// The validation split is carved before anything is left out, so that a list changes no draw.
Manifest read_annotations(const DataOptions& options, Split split, uint64_t seed) {
  Manifest manifest = read_whole(options, split, seed);
  leave_out(manifest, options.skip_list);
  return manifest;
}

Manifest read_split(const DataOptions& options, Split split, uint64_t seed) {
  Manifest manifest = read_annotations(options, split, seed);
  if (options.features.empty()) check_files(manifest, options);
  return manifest;
}

}  // namespace vtr::data
