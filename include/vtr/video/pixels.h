// A picture to the pixels a request asks for. Free of LibTorch.
#pragma once

#include "vtr/video/frames.h"
#include "vtr/video/resize.h"

#include <optional>
#include <vector>

namespace vtr::video {

// One draw a video: the factors of brightness, contrast and saturation and the turn of the hue, in
// an order that is drawn too, as torchvision's ColorJitter.
class ColourJitter {
 public:
  ColourJitter(const Jitter& strength, uint64_t seed);
  void operator()(uint8_t* rgb, int64_t pixels) const;  // [3, pixels], in place

 private:
  enum class Step { brightness, contrast, saturation, hue };
  std::vector<Step> steps_;
  double brightness_ = 1, contrast_ = 1, saturation_ = 1, hue_ = 0;
};

// Crop, size, mirror, jitter: the same for every picture of a video.
class PixelTransform {
 public:
  PixelTransform(int64_t height, int64_t width, const Request& request);
  int64_t height() const { return geometry_.kept_height; }  // of what comes out
  int64_t width() const { return geometry_.kept_width; }
  // RGB [height, width, 3], rows `stride` bytes apart, to planar RGB `out` [3, height(), width()].
  void operator()(const uint8_t* rgb, size_t stride, uint8_t* out);

 private:
  Geometry geometry_;
  Resizer resizer_;
  std::optional<ColourJitter> jitter_;
};

}  // namespace vtr::video
