#include "backend.h"

#include <opencv2/core/utils/logger.hpp>

#include <cstdlib>

namespace vtr::video {

void set_up_backend() {
  // The backend takes these from the environment only. A static, so that they are set once, before
  // its first use; what the user has set stays.
  static const bool done = [] {
    ::setenv("OPENCV_FFMPEG_DEBUG", "1", 0);  // without it the level is not read
    ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
    ::setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file", 0);
    ::setenv("OPENCV_FFMPEG_WRITER_OPTIONS", "preset;ultrafast|threads;1|crf;20", 0);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace vtr::video
