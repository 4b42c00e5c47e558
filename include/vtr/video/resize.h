// Antialiased bicubic resizing, equal to Pillow's for 8-bit images to the bit, so that frames are
// those the published CLIP weights were trained on.
#pragma once

#include "vtr/core/random.h"
#include "vtr/video/frames.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vtr::video {

// What is cut out of a frame and how large it becomes.
struct Geometry {
  int64_t height = 0, width = 0;  // of the frame
  int64_t top = 0, left = 0, box_height = 0,
          box_width = 0;                  // of the frame, the part that is resized
  int64_t out_height = 0, out_width = 0;  // what that part becomes
  int64_t out_top = 0, out_left = 0;      // the part of it that is kept,
  int64_t kept_height = 0, kept_width = 0;
  bool flip = false;  // mirror left and right
};

// torchvision's Resize(R) and CenterCrop(R), the preprocessing of CLIP.
Geometry center_geometry(int64_t height, int64_t width, int64_t resolution);

// torchvision's RandomResizedCrop(R, scale=(0.5, 1), ratio=(3/4, 4/3)).
Geometry random_geometry(int64_t height, int64_t width, int64_t resolution, Rng& rng);

// The whole frame, its shorter side S.
Geometry whole_geometry(int64_t height, int64_t width, int64_t side);

// What `request.crop` names, "center", "random_resized" or "whole", mirrored with the probability
// request.flip; both by request.seed.
Geometry geometry_of(int64_t height, int64_t width, const Request& request);

// One axis of a resize: the weights of the inputs each output is made of.
struct Taps {
  Taps(int64_t in, int64_t out, int64_t first_out, int64_t outputs);
  std::vector<int32_t> first, count;  // per output: of the inputs it reads
  std::vector<int32_t> weights;       // [outputs, width], fixed point
  int64_t width = 0;
  int64_t begin = 0, end = 0;  // the inputs that any output reads
};

// The weights of a geometry, computed once and used for every frame of a video.
class Resizer {
 public:
  explicit Resizer(const Geometry& geometry);
  // RGB [height, width, 3], rows `stride` bytes apart, to planar RGB `out`, [3, kept_height,
  // kept_width].
  void operator()(const uint8_t* rgb, size_t stride, uint8_t* out);

 private:
  Geometry geometry_;
  int64_t first_row_ = 0;       // of the frame that is read
  Taps horizontal_, vertical_;  // vertical: inputs counted from first_row_
  std::vector<uint8_t> between_, strip_;
};

}  // namespace vtr::video
