// MSR-VTT (Xu et al., CVPR 2016). Protocols: 9k and 7k training videos; 1k-A, the test set of Yu et
// al. (ECCV 2018), one caption a video; full, the data set's own parts (6,513, 497, 2,990); miech,
// the split of Miech et al. (2018; 6,656, 1,000; every caption of a test video is a query). Files
// of CLIP4Clip and its kin, of Frozen in Time and CE, STAN, Clover, ClipBERT and Cap4Video; MMT's
// HDF5 files by scripts/mmt_to_json.py.

#include "datasets/annotations.h"
#include "datasets/json_file.h"
#include "datasets/published.h"

#include "vtr/core/error.h"

#include <algorithm>

namespace vtr::data {
namespace {

constexpr const char* kData = "MSRVTT_data.json";
constexpr const char* kTestCaption = "jsfusion_val_caption_idx";  // of 1k-A, among the 20

// 1k-A's caption of a video that comes with all of its captions.
void choose_captions(const Folders& folders, const std::string& split, std::vector<Entry>& entries,
                     Manifest& manifest) {
  const bool told = std::all_of(entries.begin(), entries.end(),
                                [](const Entry& entry) { return entry.captions.size() == 1; });
  if (split != "1k-A" || told) return;
  fs::path path;
  for (const char* extension : {".json", ".pkl"}) {
    if (!path.empty()) break;
    path = find_annotation(folders.root, folders.places, std::string(kTestCaption) + extension);
  }
  VTR_CHECK(!path.empty(), "split '1k-A': {}.json (or .pkl) is needed, which caption of each video",
            kTestCaption);
  const auto json = parse_json(read_source(path, manifest.sources), path.string());
  for (auto& entry : entries) {
    const auto& index = json_field(json, entry.video.c_str(), path.string());
    VTR_CHECK(index.is_number_unsigned() && index < entry.captions.size(),
              "{}: \"{}\" is no number of one of its {} captions", path.string(), entry.video,
              entry.captions.size());
    entry.captions = {entry.captions[index.get<size_t>()]};
  }
}

const Published& msrvtt() {
  static const Published dataset = {
      .name = "msrvtt",
      .protocols =
          {{"9k",
            {{{"MSRVTT_train.9k.csv"}},
             {{"train_list_9k.txt"}},
             {{"train_list_jsfusion.txt"}},
             {{"train_9k.json"}},
             {{"train_9k.jsonl"}}}},
           {"7k",
            {{{"MSRVTT_train.7k.csv"}},
             {{"train_list_7k.txt"}},
             {{"train_list_full.txt", "val_list_full.txt"}},
             {{"train_list.txt", "val_list.txt"}},
             {{"train_7k.json"}},
             {{"train_7k.jsonl"}},
             {{kData}, {"train", "validate"}}}},
           {"1k-A",
            {{{"MSRVTT_JSFUSION_test.csv"}},
             {{"val_list_jsfusion.txt"}},
             {{"test_JSFUSION.json"}},
             {{"test_1ka.jsonl"}}}},
           {"full-train", {{{"train_list_full.txt"}}, {{"train_list.txt"}}, {{kData}, {"train"}}}},
           {"full-val", {{{"val_list_full.txt"}}, {{"val_list.txt"}}, {{kData}, {"validate"}}}},
           {"full-test", {{{"test_list_full.txt"}}, {{"test_list.txt"}}, {{kData}, {"test"}}}},
           {"miech-train", {{{"train_list_miech.txt"}}}},
           {"miech-test", {{{"test_list_miech.txt"}}}}},
      .captions = {kData, "MSR_VTT.json", "mult_h5.json", "*_titles.json"},
      .places = {"annotation", "annotations", "msrvtt_data", "high-quality/structured-symlinks",
                 "structured-symlinks", "MSRVTT", "MSRVTT/annotation",
                 "MSRVTT/high-quality/structured-symlinks"},
      .video_places = {"videos/all", "videos", "all", "MSRVTT_Videos", "MSRVTT/videos/all",
                       "TrainValVideo"},
      .adjust = choose_captions,
  };
  return dataset;
}

}  // namespace

DatasetEntry msrvtt_dataset() {
  return published_entry<msrvtt>("MSR-VTT: 9k, 7k and 1k-A; full; miech; or a list's file");
}

}  // namespace vtr::data
