// The annotation files of the field in one form: videos in the file's order, with their captions.
#pragma once

#include "datasets/sources.h"

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vtr::data {

struct Entry {
  std::string video;                  // as the file names it
  std::string where;                  // "FILE:LINE" or "FILE: place", for errors
  std::vector<std::string> captions;  // none: the file only lists the video
  std::string split;                  // what the file itself says of it, or ""
};

// Reads, told apart by name and content,
//   .txt     an id a line
//   .csv     a header with video_id, and sentence where it has captions
//   .jsonl   {"clip_name", "caption"} a line
//   .json    {"videos": [..], "sentences": [..]}            MSRVTT_data.json
//            {"annotations": [{"image_id", "caption"}]}     MSR_VTT.json
//            [{"filename", "text"}]  [{"videoID", "enCap"}]  [{"video", "description"}]
//            {NAME: [captions]}  {NAME: {"gt": [..]}}  {NAME: {"sentences": [..]}}
// A caption may be a list of words. Captions of one video are gathered at its first place. Throws
// Error with the place of what is wrong.
std::vector<Entry> read_entries(const fs::path& path, std::vector<Source>& sources);

// Gathers captions by video, in the order of the first ones.
class Gatherer {
 public:
  Entry& at(const std::string& video, const std::string& where);
  Entry* find(const std::string& video);
  std::vector<Entry> take() { return std::move(entries_); }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace vtr::data
