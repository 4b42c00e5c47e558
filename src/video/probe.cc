#include "vtr/video/probe.h"

#include "backend.h"

#include <opencv2/videoio.hpp>

#include <algorithm>
#include <cmath>

namespace vtr::video {

std::string fault_name(Fault fault) {
  switch (fault) {
    case Fault::missing:
      return "missing";
    case Fault::empty:
      return "empty";
    case Fault::unreadable:
      return "unreadable";
    case Fault::no_video_stream:
      return "no video stream";
    case Fault::no_frames:
      return "no frames";
    case Fault::too_slow:
      return "too slow";
  }
  VTR_ASSERT(false);
}

Info probe(const fs::path& path, double) {
  set_up_backend();
  const auto refuse = [&](Fault fault) {
    throw VideoError(fault, fmt::format("{}: {}", path.string(), fault_name(fault)));
  };
  if (!fs::is_regular_file(path)) refuse(Fault::missing);
  if (fs::file_size(path) == 0) refuse(Fault::empty);
  cv::VideoCapture capture;
  if (!capture.open("file:" + path.string(), cv::CAP_FFMPEG)) refuse(Fault::unreadable);
  Info info;
  while (capture.grab()) ++info.frames;
  if (info.frames == 0) refuse(Fault::no_frames);
  info.fps = std::max(0.0, capture.get(cv::CAP_PROP_FPS));
  if (info.fps > 0) info.seconds = static_cast<double>(info.frames) / info.fps;
  info.width = std::llround(capture.get(cv::CAP_PROP_FRAME_WIDTH));
  info.height = std::llround(capture.get(cv::CAP_PROP_FRAME_HEIGHT));
  return info;
}

}  // namespace vtr::video
