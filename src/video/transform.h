// A decoded picture to the pixels a model takes.
#pragma once

#include "input.h"
#include "resize.h"

#include "vtr/video/frames.h"

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

// Colours to RGB, the rotation that players apply, crop, size, mirror, jitter: the same for every
// picture of a video.
class Transform {
 public:
  Transform(const Request& request, int64_t rotation);
  // Writes `out` [3, R, R]; false where the picture cannot be converted.
  bool operator()(const AVFrame& picture, uint8_t* out);

 private:
  bool convert(const AVFrame& picture);
  void rotate();

  const Request request_;
  const int64_t rotation_;
  Owned<SwsContext> scaler_;
  std::vector<uint8_t> rgb_, turned_;
  int64_t height_ = 0, width_ = 0, stride_ = 0;  // of rgb_
  int64_t resized_height_ = 0, resized_width_ = 0;
  std::optional<Resizer> resizer_;
  std::optional<ColourJitter> jitter_;
};

}  // namespace vtr::video
