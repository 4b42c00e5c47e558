// A decoded picture to the pixels a model takes.
#pragma once

#include "input.h"

#include "vtr/video/pixels.h"

#include <optional>
#include <vector>

namespace vtr::video {

// Colours to RGB, the rotation that players apply, and what the request asks of the pixels.
class Transform {
 public:
  Transform(const Request& request, int64_t rotation) : request_(request), rotation_(rotation) {}
  // Takes a picture in; false where it cannot be converted.
  bool load(const AVFrame& picture);
  // Of the picture that was taken in: its pixels, [3, height(), width()].
  int64_t height() const { return pixels_->height(); }
  int64_t width() const { return pixels_->width(); }
  void store(uint8_t* out);

 private:
  bool convert(const AVFrame& picture);
  void rotate();

  const Request request_;
  const int64_t rotation_;
  Owned<SwsContext> scaler_;
  std::vector<uint8_t> rgb_, turned_;
  int64_t height_ = 0, width_ = 0, stride_ = 0;  // of rgb_
  int64_t known_height_ = 0, known_width_ = 0;   // of the pictures that pixels_ takes
  std::optional<PixelTransform> pixels_;
};

}  // namespace vtr::video
