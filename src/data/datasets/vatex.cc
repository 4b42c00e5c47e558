// VATEX (Wang et al., ICCV 2019), its ten English captions a video. The field splits the 3,000
// validation videos in two (Chen et al., CVPR 2020): val_list.txt and test_list.txt, an id a line.

#include "datasets/annotations.h"
#include "datasets/published.h"

#include <charconv>

namespace vtr::data {
namespace {

constexpr size_t kDigits = 6;

// The seconds in `digits`, or -1.
double seconds_of(const std::string& digits) {
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  return digits.size() == kDigits && error == std::errc() && stop == end && value >= 0
             ? static_cast<double>(value)
             : -1;
}

// "YOUTUBE_000010_000020": a clip's own file, or these ten seconds of the whole video's.
std::vector<Clip> clip_or_part(const std::string& id) {
  std::vector<Clip> clips = {{id}};
  constexpr size_t kTimes = 2 * (kDigits + 1);
  if (id.size() <= kTimes || id[id.size() - kTimes] != '_') return clips;
  const double start = seconds_of(id.substr(id.size() - kTimes + 1, kDigits));
  const double end = seconds_of(id.substr(id.size() - kDigits));
  if (start >= 0 && end > start) clips.push_back({id.substr(0, id.size() - kTimes), start, end});
  return clips;
}

const Published& vatex() {
  static const Published dataset = {
      .name = "vatex",
      .protocols = {{"train", {{{"train_list.txt"}}, {{"vatex_training_v1.0.json"}}}},
                    {"val", {{{"val_list.txt"}}, {{"vatex_validation_v1.0.json"}}}},
                    {"test", {{{"test_list.txt"}}, {{"vatex_public_test_english_v1.1.json"}}}}},
      .captions = {"vatex_data.json", "vatex_validation_v1.0.json", "vatex_training_v1.0.json"},
      .places = {"annotation", "annotations", "vatex_data", "VATEX"},
      .video_places = {"videos", "VATEX_Videos", "VATEX/videos"},
      .clips = clip_or_part,
  };
  return dataset;
}

}  // namespace

DatasetEntry vatex_dataset() {
  return published_entry<vatex>("VATEX: train, val and test, ten English captions a video");
}

}  // namespace vtr::data
