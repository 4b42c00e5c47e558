// The two roads from a file to its frames. The first is taken where it leads to the end.
#pragma once

#include "vtr/video/frames.h"

namespace vtr::video {

enum class Road {
  any,
  needed,  // decode what is needed, as the packets tell
  full,    // decode everything and count the frames that come out
};
Frames read_frames(const fs::path& path, const Request& request, Road road);

}  // namespace vtr::video
