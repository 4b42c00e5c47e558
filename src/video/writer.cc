#include "vtr/video/writer.h"

#include "backend.h"

#include "vtr/core/error.h"

#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

namespace vtr::video {

struct Writer::Impl {
  fs::path path;
  cv::Size size;
  cv::VideoWriter file;
  cv::Mat bgr;
};

Writer::Writer(const fs::path& path, const WriterOptions& options)
    : impl_(std::make_unique<Impl>()) {
  set_up_backend();
  VTR_CHECK(
      options.width > 0 && options.width % 2 == 0 && options.height > 0 &&
          options.height % 2 == 0 && options.fps > 0,
      "{}: a video of {} x {} at {} frames a second cannot be written (even sides are needed)",
      path.string(), options.width, options.height, options.fps);
  impl_->path = path;
  impl_->size = cv::Size(static_cast<int>(options.width), static_cast<int>(options.height));
  const int codec = path.extension() == ".avi" ? cv::VideoWriter::fourcc('M', 'J', 'P', 'G')
                                               : cv::VideoWriter::fourcc('a', 'v', 'c', '1');
  impl_->file.open(path.string(), cv::CAP_FFMPEG, codec, options.fps, impl_->size);
  VTR_CHECK(impl_->file.isOpened(), "{}: cannot be written as a video (is the folder there?)",
            path.string());
}

Writer::~Writer() = default;

void Writer::add(const uint8_t* rgb) {
  const cv::Mat frame(impl_->size, CV_8UC3, const_cast<uint8_t*>(rgb));
  cv::cvtColor(frame, impl_->bgr, cv::COLOR_RGB2BGR);
  impl_->file.write(impl_->bgr);
}

void Writer::close() {
  impl_->file.release();
  std::error_code error;
  const auto size = fs::file_size(impl_->path, error);
  VTR_CHECK(!error && size > 0, "{}: nothing was written (is the disk full?)",
            impl_->path.string());
}

}  // namespace vtr::video
