// The generated benchmark: MSR-VTT's files under the names that say what they hold here.

#include "datasets/annotations.h"

namespace vtr::data {
namespace {

std::string file_of(const std::string& split) {
  if (split == "train") return "9k";
  if (split == "ordered") return "1k-A";
  if (split == "single") return "shapes_test_single.csv";
  return split == "events" ? "shapes_test_events.csv" : split;
}

}  // namespace

DatasetEntry shapes_dataset() {
  DatasetEntry entry = msrvtt_dataset();
  entry.name = "shapes";
  entry.summary =
      "the generated benchmark: splits train, and ordered, single or events captions for testing";
  entry.read = [](const DataOptions& options, Split role, const std::string& split) {
    Manifest manifest = msrvtt_dataset().read(options, role, file_of(split));
    manifest.name = "shapes " + split;
    for (auto& source : manifest.sources) source.published.clear();  // only the names are theirs
    return manifest;
  };
  return entry;
}

}  // namespace vtr::data
