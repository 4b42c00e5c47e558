// Where the video files of a folder lie, by name.
#pragma once

#include "vtr/core/files.h"

#include <string>
#include <unordered_map>

namespace vtr::data {

// A file's name without folder and without the ending(s) of a video file: names may hold dots.
std::string bare_name(const std::string& name);

// One listing of `folder` and what lies up to three folders deep in it, links followed. So an
// annotation can only name what is there. Of files of one name .mp4 is taken before .webm, .avi,
// .mkv and the rest, then the first by path.
class VideoIndex {
 public:
  explicit VideoIndex(const fs::path& folder);
  // The file called `name`, bare; empty when there is none.
  fs::path find(const std::string& name) const;

 private:
  std::unordered_map<std::string, fs::path> files_;
};

}  // namespace vtr::data
