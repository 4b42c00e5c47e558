// What a video file is, and what can be wrong with one.
//
//   video::Info info = video::probe("video0.mp4");
#pragma once

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <cstdint>
#include <string>

namespace vtr::video {

enum class Fault {
  missing,          // no such file, or a folder
  empty,            // of no bytes
  unreadable,       // in no format that is known, or cut off before its first frame is described
  no_video_stream,  // sound or cover art only
  no_frames,        // a video stream without a frame that can be decoded (or none in the segment)
  too_slow,         // over the time limit
};
std::string fault_name(Fault fault);  // "no video stream"

// Names the file, what is wrong with it and what to do.
class VideoError : public Error {
 public:
  VideoError(Fault fault, const std::string& message) : Error(message), fault_(fault) {}
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

struct Info {
  int64_t frames = 0;              // counted
  double fps = 0;                  // as the container states it; 0 where it does not
  double seconds = 0;              // from the first frame to the end of the last
  int64_t width = 0, height = 0;   // as shown: after the rotation
  int64_t rotation = 0;            // degrees clockwise that players turn it: 0, 90, 180 or 270
  int64_t key_frame_distance = 0;  // most packets from a key frame to the next; 1: only key frames
  bool variable_rate = false;      // frames are not all shown equally long
  std::string codec;               // "h264"
};

// Reads the packets of the whole file and decodes none (but what the format needs to be known at
// all). `time_limit` in seconds, 0: none. Throws VideoError.
Info probe(const fs::path& path, double time_limit = 0);

// Decodes the whole file and returns how many of its packets the decoder finds damaged. It cannot
// find all: changed bytes may stand for another picture. Throws VideoError.
int64_t count_damage(const fs::path& path, double time_limit = 0);

}  // namespace vtr::video
