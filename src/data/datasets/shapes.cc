// The generated benchmark: MSR-VTT's files under the names that say what they hold here.

#include "datasets/annotations.h"
#include "datasets/sources.h"

#include "vtr/core/error.h"

#include <algorithm>

namespace vtr::data {
namespace {

const std::vector<std::string> kSplits = {"train", "ordered", "single", "events", "mixed"};

// MSR-VTT's reader would name its own protocols.
void check_split(const DataOptions& options, const std::string& split) {
  const fs::path root = root_folder(options);
  VTR_CHECK(std::ranges::find(kSplits, split) != kSplits.end() ||
                !find_annotation(root, {""}, split).empty(),
            "split '{}': no {} in {} (and it is none of shapes: {})", split, split, root.string(),
            fmt::join(kSplits, ", "));
}

std::string file_of(const std::string& split) {
  if (split == "train") return "9k";
  if (split == "ordered") return "1k-A";
  if (split == "single") return "shapes_test_single.csv";
  return split == "events" ? "shapes_test_events.csv" : split;
}

Manifest read_part(const DataOptions& options, Split role, const std::string& split) {
  return msrvtt_dataset().read(options, role, file_of(split));
}

// Every test video with both of its captions: of its ordered events, and of one of them.
Manifest read_mixed(const DataOptions& options, Split role) {
  Manifest mixed = read_part(options, role, "ordered");
  const Manifest single = read_part(options, role, "single");
  for (auto& video : mixed.videos) {
    const auto twin = std::ranges::find(single.videos, video.id, &Record::id);
    VTR_CHECK(twin != single.videos.end(), "{}: {} has no caption of one event", options.root,
              video.id);
    video.captions.insert(video.captions.end(), twin->captions.begin(), twin->captions.end());
  }
  mixed.sources.insert(mixed.sources.end(), single.sources.begin(), single.sources.end());
  return mixed;
}

}  // namespace

DatasetEntry shapes_dataset() {
  DatasetEntry entry = msrvtt_dataset();
  entry.name = "shapes";
  entry.summary =
      "the generated benchmark: splits train, and ordered, single, events or mixed captions";
  entry.read = [](const DataOptions& options, Split role, const std::string& split) {
    check_split(options, split);
    Manifest manifest =
        split == "mixed" ? read_mixed(options, role) : read_part(options, role, split);
    manifest.name = "shapes " + split;
    for (auto& source : manifest.sources) source.published.clear();  // only the names are theirs
    return manifest;
  };
  return entry;
}

}  // namespace vtr::data
