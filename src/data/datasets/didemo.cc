// DiDeMo (Hendricks et al., ICCV 2017) as the paragraph task: all descriptions of a video are one
// text. They tell of its first 30 seconds, so only these are read.

#include "datasets/annotations.h"
#include "datasets/published.h"

namespace vtr::data {
namespace {

constexpr double kDescribed = 30;  // seconds

std::vector<Clip> first_part(const std::string& id) { return {{id, 0, kDescribed}}; }

const Published& didemo() {
  static const Published dataset = {
      .name = "didemo",
      .protocols = {{"train", {{{"train_data.json"}}}},
                    {"val", {{{"val_data.json"}}}},
                    {"test", {{{"test_data.json"}}}}},
      .captions = {},
      .places = {"annotation", "annotations", "data", "DiDeMo"},
      .video_places = {"videos", "DiDeMo_Videos", "DiDeMo/videos"},
      .paragraph = true,
      .clips = first_part,
  };
  return dataset;
}

}  // namespace

DatasetEntry didemo_dataset() {
  return published_entry<didemo>("DiDeMo: train, val and test, a paragraph a video");
}

}  // namespace vtr::data
