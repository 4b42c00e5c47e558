// MSR-VTT (Xu et al., CVPR 2016) in the files the CLIP-era methods share: MSRVTT_data.json with all
// captions, lists of training ids, and the 1k-A test set (Yu et al., ECCV 2018) of a caption a
// video.

#include "datasets/annotations.h"
#include "datasets/csv.h"
#include "datasets/json_file.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace vtr::data {
namespace {

const std::vector<std::string> kPlaces = {
    "", "annotation", "annotations", "msrvtt_data", "MSRVTT", "MSRVTT/annotation"};
const std::vector<std::string> kVideoPlaces = {
    "videos/all", "videos", "all", "MSRVTT_Videos", "MSRVTT/videos/all", "TrainValVideo"};

// The file of a split: of a protocol, else under the root.
fs::path split_file(const fs::path& root, const std::string& split) {
  std::string name = split;
  if (split == "9k" || split == "7k") name = "MSRVTT_train." + split + ".csv";
  if (split == "1k-A") name = "MSRVTT_JSFUSION_test.csv";
  resolve_inside(root, name, "split");
  const fs::path path = find_annotation(root, kPlaces, name);
  VTR_CHECK(!path.empty(), "split '{}': no {} in {}{}", split, name, root.string(),
            name != split ? " or its folders annotation, annotations, msrvtt_data, MSRVTT"
                          : " (and it is no protocol: 9k, 7k, 1k-A)");
  return path;
}

using Captions = std::unordered_map<std::string, std::vector<std::string>>;

// Every video's captions, from MSRVTT_data.json.
Captions read_captions(const fs::path& root) {
  const fs::path path = find_annotation(root, kPlaces, "MSRVTT_data.json");
  VTR_CHECK(!path.empty(), "data.root: no MSRVTT_data.json in {} (looked there and in {})",
            root.string(), fmt::join(kPlaces.begin() + 1, kPlaces.end(), ", "));
  const auto json = parse_json(read_file(path), path.string());
  Captions captions;
  size_t i = 0;
  for (const auto& video : json_list(json, "videos", path.string())) {
    const std::string where = fmt::format("{}: videos[{}]", path.string(), i++);
    const std::string id = json_text(video, "video_id", where);
    VTR_CHECK(captions.try_emplace(id).second, "{}: video_id '{}' is there twice", where, id);
  }
  i = 0;
  for (const auto& sentence : json_list(json, "sentences", path.string())) {
    const std::string where = fmt::format("{}: sentences[{}]", path.string(), i++);
    const auto video = captions.find(json_text(sentence, "video_id", where));
    VTR_CHECK(video != captions.end(), "{}: no such video in \"videos\"", where);
    video->second.push_back(json_text(sentence, "caption", where));
    check_caption(video->second.back(), where);
  }
  return captions;
}

fs::path video_file(const fs::path& folder, const std::string& id, const std::string& where) {
  for (const char* extension : {".mp4", ".webm", ".avi", ".mkv"}) {
    const fs::path path = resolve_inside(folder, id + extension, where);
    if (fs::exists(path)) return path;
  }
  return folder / (id + ".mp4");
}

// A list of ids, whose captions stand in MSRVTT_data.json.
std::vector<Record> read_ids(const Csv& csv, int64_t id_column, const fs::path& root,
                             const fs::path& folder) {
  Captions captions = read_captions(root);
  std::unordered_set<std::string> seen;
  std::vector<Record> records;
  for (const auto& row : csv.rows) {
    const std::string where = csv.where(row), &id = row.fields[static_cast<size_t>(id_column)];
    VTR_CHECK(seen.insert(id).second, "{}: video_id '{}' is there twice", where, id);
    const auto found = captions.find(id);
    VTR_CHECK(found != captions.end(), "{}: MSRVTT_data.json has no video '{}'", where, id);
    VTR_CHECK(!found->second.empty(), "{}: MSRVTT_data.json has no caption of '{}'", where, id);
    records.push_back({id, video_file(folder, id, where), std::move(found->second)});
  }
  return records;
}

// A caption a row. Rows of one video in a row's own words make a video of several captions.
std::vector<Record> read_sentences(const Csv& csv, int64_t id_column, int64_t sentence_column,
                                   const fs::path& folder) {
  std::unordered_map<std::string, size_t> places;
  std::vector<Record> records;
  for (const auto& row : csv.rows) {
    const std::string where = csv.where(row), &id = row.fields[static_cast<size_t>(id_column)];
    const std::string& sentence = row.fields[static_cast<size_t>(sentence_column)];
    check_caption(sentence, where);
    const auto [place, fresh] = places.try_emplace(id, records.size());
    if (fresh) records.push_back({id, video_file(folder, id, where), {}});
    auto& captions = records[place->second].captions;
    VTR_CHECK(std::find(captions.begin(), captions.end(), sentence) == captions.end(),
              "{}: video_id '{}' is there twice with the same sentence", where, id);
    captions.push_back(sentence);
  }
  return records;
}

Manifest read_msrvtt(const DataOptions& options, const std::string& split) {
  const fs::path root = root_folder(options);
  const Csv csv = read_csv(split_file(root, split));
  const int64_t id = csv.column("video_id"), sentence = csv.column("sentence");
  VTR_CHECK(id >= 0, "{}: the header has no column video_id", csv.path.string());
  const fs::path folder = video_folder(options, kVideoPlaces);
  return {"msrvtt " + split, sentence < 0 ? read_ids(csv, id, root, folder)
                                          : read_sentences(csv, id, sentence, folder)};
}

std::string describe(const DataOptions& options) {
  return fmt::format(
      "MSRVTT_data.json, MSRVTT_train.9k.csv, MSRVTT_train.7k.csv and"
      " MSRVTT_JSFUSION_test.csv in {} or its folders {}; videos in {}",
      options.root, fmt::join(kPlaces.begin() + 1, kPlaces.end(), ", "),
      options.videos.empty() ? fmt::format("{}", fmt::join(kVideoPlaces, ", ")) : options.videos);
}

}  // namespace

DatasetEntry msrvtt_dataset() {
  return {"msrvtt", "MSR-VTT: splits 9k, 7k and 1k-A, or a csv of ids or sentences", describe,
          read_msrvtt};
}

}  // namespace vtr::data
