// One pass over the annotations and video files of a configuration, before anything is trained.
//
//   CheckReport report = data::check(options, video, {.depth = CheckDepth::decode});
#pragma once

#include "vtr/data/manifest.h"
#include "vtr/video/frames.h"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vtr::data {

enum class CheckDepth {
  files,   // is every file there, and not empty
  open,    // and what its packets say
  decode,  // and can its frames be decoded, as evaluation would
};

struct CheckOptions {
  CheckDepth depth = CheckDepth::open;
  uint64_t seed = 0;    // of the carved validation split
  bool strict = false;  // a damaged file is unusable too, unless a part of it is meant
  // Called once a file from any thread with the number of all; one call at a time.
  std::function<void(int64_t)> progress = nullptr;
};

struct Problem {
  std::string split, id;
  fs::path path;
  std::string reason;   // "unreadable": what the counts are by
  std::string message;  // in full
  bool fatal = false;   // the video could not be used: the split would shrink
};

struct SplitCheck {
  std::string split;  // train, val or test
  std::string name;   // "msrvtt 9k"
  std::string error;  // why its annotations could not be read, or ""
  int64_t videos = 0, captions = 0, skipped = 0;
  int64_t fewest = 0, most = 0;  // captions of a video
  int64_t unusable = 0;          // of the videos, by fatal problems
  std::vector<std::string> notes;
  std::vector<Source> sources;
};

struct CheckReport {
  std::vector<SplitCheck> splits;
  std::vector<Problem> problems;     // in the order of splits and videos
  std::set<std::string> listed;      // in data.skip_list
  std::vector<std::string> unknown;  // of those, in no split
  bool shrinks() const;              // a split has an error or an unusable video
  // For data.skip_list: what it holds already and the unusable videos; id, tab, reason, a line
  // each.
  std::string fix_list() const;
};

// Reasons are the faults of vtr/video/probe.h and "unreadable" (fatal), and "zero fps", "short"
// (fewer frames than video.frames), "damaged" (by depth decode), "in two splits" and "file in two
// splits" (told, not fatal). Throws Error only for a data.root that is none.
CheckReport check(const DataOptions& data, const video::VideoOptions& video,
                  const CheckOptions& options);

}  // namespace vtr::data
