// MSVD (Chen and Dolan, ACL 2011): 1,200, 100 and 670 videos with some 40 captions each. A test
// video is the answer to every one of its captions.

#include "datasets/annotations.h"
#include "datasets/published.h"

namespace vtr::data {
namespace {

const Published& msvd() {
  static const Published dataset = {
      .name = "msvd",
      .protocols = {{"train", {{{"train_list.txt"}}}},
                    {"val", {{{"val_list.txt"}}}},
                    {"test", {{{"test_list.txt"}}}}},
      .captions = {"captions_msvd.json", "raw-captions.json"},
      .places = {"annotation", "annotations", "msvd_data", "MSVD"},
      .video_places = {"videos", "MSVD_Videos", "YouTubeClips", "MSVD/videos"},
      .extension = ".avi",
  };
  return dataset;
}

}  // namespace

DatasetEntry msvd_dataset() {
  return published_entry<msvd>("MSVD: train, val and test, all captions of each video");
}

}  // namespace vtr::data
