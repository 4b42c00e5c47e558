// LSMDC (Rohrbach et al., IJCV 2017): clips of films and their descriptions. Tab-separated rows
// without a header: clip, four times, sentence. A clip lies in its film's folder, or anywhere under
// data.videos.

#include "datasets/annotations.h"
#include "datasets/published.h"
#include "datasets/video_index.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <sstream>

namespace vtr::data {
namespace {

constexpr size_t kFields = 6;
// Left out by the published systems: its file has no picture.
constexpr const char* kBadClip = "1012_Unbreakable_00.05.16.065-00.05.21.941";

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, '\t');) fields.push_back(std::move(field));
  return fields;
}

// Copies of the files exist whose rows are quoted as a whole.
void unquote(std::string& clip, std::string& sentence) {
  if (!clip.starts_with('"')) return;
  clip.erase(0, 1);
  if (sentence.ends_with('"')) sentence.pop_back();
}

// Rows of one clip make a video of several captions, at the first one's place.
std::vector<Entry> read_rows(const fs::path& path, std::vector<Source>& sources) {
  if (path.extension() != ".csv") return read_entries(path, sources);
  Gatherer gathered;
  std::istringstream in(read_source(path, sources));
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    auto fields = fields_of(line);
    VTR_CHECK(fields.size() == kFields,
              "{}: {} fields, and {} separated by tabs are needed (clip, four times, sentence)",
              where, fields.size(), kFields);
    unquote(fields.front(), fields.back());
    VTR_CHECK(!fields.front().empty(), "{}: the clip has no name", where);
    check_caption(fields.back(), where);
    gathered.at(fields.front(), where).captions.push_back(std::move(fields.back()));
  }
  return gathered.take();
}

// The peers keep a repeated clip's last row; here no row is lost, and the reader says so.
void note_clips(const Folders&, const std::string&, std::vector<Entry>& entries,
                Manifest& manifest) {
  const auto bad = std::find_if(entries.begin(), entries.end(), [](const Entry& entry) {
    return bare_name(entry.video) == kBadClip;
  });
  if (bad != entries.end()) {
    entries.erase(bad);
    manifest.notes.push_back(fmt::format("{}: left out, its file has no picture", kBadClip));
  }
  const auto repeated = std::count_if(entries.begin(), entries.end(),
                                      [](const Entry& entry) { return entry.captions.size() > 1; });
  if (repeated > 0) {
    manifest.notes.push_back(
        fmt::format("{} clips stand in several rows: videos with several captions", repeated));
  }
}

// "1012_Unbreakable_00.05.16.065-..." is a clip of the film "1012_Unbreakable": what is before the
// first dot, less the hour's "_00".
std::vector<Clip> clips_of(const std::string& id) {
  const std::string head = id.substr(0, id.find('.'));
  return {{head.size() > 3 ? head.substr(0, head.size() - 3) + "/" + id : id}};
}

const Published& lsmdc() {
  static const Published dataset = {
      .name = "lsmdc",
      .protocols = {{"train", {{{"LSMDC16_annos_training.csv"}}, {{"lsmdc_train.json"}}}},
                    {"val", {{{"LSMDC16_annos_val.csv"}}, {{"lsmdc_val.json"}}}},
                    {"test",
                     {{{"LSMDC16_challenge_1000_publictect.csv"}},
                      {{"LSMDC16_challenge_1000_publictest.csv"}},
                      {{"lsmdc_test.json"}}}}},
      .captions = {},
      .places = {"annotation", "annotations", "lsmdc_data", "LSMDC"},
      .video_places = {"videos", "LSMDC_Videos", "avi", "clips", "LSMDC/videos"},
      .extension = ".avi",
      .read = read_rows,
      .clips = clips_of,
      .adjust = note_clips,
  };
  return dataset;
}

}  // namespace

DatasetEntry lsmdc_dataset() {
  return published_entry<lsmdc>("LSMDC: train, val and test (1,000 clips), or a file of its form");
}

}  // namespace vtr::data
