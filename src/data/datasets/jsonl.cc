// Anyone's folder: a video a line,
//   {"video": "cats/1.mp4", "captions": ["a cat", "a cat sits"], "split": "train", "id": "cat1"}
// "caption": "a cat" may stand for "captions"; "id" is the video's path unless given; "start" and
// "end" (seconds) choose a part of the file, and then an "id" tells the parts of one file apart.
// data.train and the like name a file under data.root (train.jsonl: all of its lines), or else a
// value of "split" in data.jsonl. Paths are relative to data.videos, or to data.root without it.

#include "datasets/annotations.h"
#include "datasets/json_file.h"
#include "datasets/sources.h"

#include "vtr/core/error.h"

#include <set>
#include <sstream>
#include <unordered_set>

namespace vtr::data {
namespace {

constexpr const char* kFile = "data.jsonl";

std::vector<std::string> read_captions(const nlohmann::json& line, const std::string& where) {
  std::vector<std::string> captions;
  if (line.contains("caption")) {
    VTR_CHECK(!line.contains("captions"), "{}: both \"caption\" and \"captions\"", where);
    captions.push_back(json_text(line, "caption", where));
  } else {
    for (const auto& caption : json_list(line, "captions", where)) {
      VTR_CHECK(caption.is_string(), "{}: \"captions\" holds something that is not a string",
                where);
      captions.push_back(caption.get<std::string>());
    }
  }
  VTR_CHECK(!captions.empty(), "{}: no captions", where);
  for (const auto& caption : captions) check_caption(caption, where);
  return captions;
}

double read_seconds(const nlohmann::json& line, const char* name, const std::string& where) {
  if (!line.contains(name)) return 0;
  const auto& value = line[name];
  VTR_CHECK(value.is_number() && value.get<double>() >= 0, "{}: \"{}\" is no number of seconds",
            where, name);
  return value.get<double>();
}

Record read_record(const nlohmann::json& line, const fs::path& folder, const std::string& where) {
  const std::string video = json_text(line, "video", where);
  const Record record{line.contains("id") ? json_text(line, "id", where) : video,
                      resolve_inside(folder, video, where), read_captions(line, where),
                      read_seconds(line, "start", where), read_seconds(line, "end", where)};
  VTR_CHECK(record.end == 0 || record.end > record.start, "{}: \"end\" is not after \"start\"",
            where);
  return record;
}

// The records of a file; those of one split when `split` is not empty.
Manifest read_lines(const fs::path& path, const std::string& split, const fs::path& folder) {
  Manifest manifest;
  std::istringstream in(read_source(path, manifest.sources));
  std::unordered_set<std::string> ids;
  std::set<std::string> splits;
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    const auto line = parse_json(text, where);
    Record record = read_record(line, folder, where);
    VTR_CHECK(ids.insert(record.id).second, "{}: id '{}' is there twice", where, record.id);
    if (!split.empty()) {
      const std::string own = json_text(line, "split", where);
      splits.insert(own);
      if (own != split) continue;
    }
    manifest.videos.push_back(std::move(record));
  }
  VTR_CHECK(split.empty() || splits.contains(split),
            "{}: no line has \"split\": \"{}\" (there are: {})", path.string(), split,
            fmt::join(splits, ", "));
  return manifest;
}

Manifest read_jsonl(const DataOptions& options, Split, const std::string& split) {
  const fs::path root = root_folder(options);
  const fs::path folder = options.videos.empty() ? root : video_folder(options, {});
  const fs::path own = resolve_inside(root, split, "split");
  const bool is_file = fs::is_regular_file(own);
  VTR_CHECK(is_file || fs::is_regular_file(root / kFile),
            "split '{}': data.root {} has neither a file {} nor {}", split, root.string(), split,
            kFile);
  Manifest manifest = read_lines(is_file ? own : root / kFile, is_file ? "" : split, folder);
  manifest.name = "jsonl " + split;
  return manifest;
}

std::string describe(const DataOptions& options) {
  return fmt::format(
      "files of JSON lines in {}: one named by the split, or {} with \"split\" fields",
      options.root, kFile);
}

}  // namespace

DatasetEntry jsonl_dataset() {
  return {"jsonl", "your own videos: {\"video\", \"captions\", \"split\"}, a line each", describe,
          read_jsonl};
}

}  // namespace vtr::data
