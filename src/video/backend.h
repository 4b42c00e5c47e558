// OpenCV's FFmpeg backend, set up once for the process.
#pragma once

namespace vtr::video {

// Quiet (errors are ours to report, with the file's name), local files only, and an encoder whose
// output does not depend on the number of cores.
void set_up_backend();

}  // namespace vtr::video
