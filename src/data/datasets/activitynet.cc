// ActivityNet Captions (Krishna et al., ICCV 2017) as the paragraph task: the sentences of a video
// in their order are one text. The field trains on train and tests on val1.

#include "datasets/annotations.h"
#include "datasets/published.h"

namespace vtr::data {
namespace {

// The annotations say v_ID; the files are called so or ID.
std::vector<Clip> with_or_without_prefix(const std::string& id) {
  if (!id.starts_with("v_")) return {{id}, {"v_" + id}};
  return {{id}, {id.substr(2)}};
}

const Published& activitynet() {
  static const Published dataset = {
      .name = "activitynet",
      .protocols = {{"train", {{{"train.json"}}}},
                    {"val1", {{{"val_1.json"}}}},
                    {"val2", {{{"val_2.json"}}}}},
      .captions = {},
      .places = {"annotation", "annotations", "captions", "ActivityNet"},
      .video_places = {"videos", "Activity_Videos", "ActivityNet/videos"},
      .paragraph = true,
      .clips = with_or_without_prefix,
  };
  return dataset;
}

}  // namespace

DatasetEntry activitynet_dataset() {
  return published_entry<activitynet>(
      "ActivityNet Captions: train, val1, val2, a paragraph a video");
}

}  // namespace vtr::data
