#include "pooling.h"

#include <ATen/ATen.h>

#include <limits>

namespace vtr::models {

Tensor frames_mean(const Tensor& frames, const Tensor& mask) {
  const Tensor there = mask.unsqueeze(-1).to(frames.scalar_type());  // [M, T, 1]
  return (frames * there).sum(1) / there.sum(1);
}

Tensor frames_max(const Tensor& frames, const Tensor& mask) {
  const double lowest = -std::numeric_limits<double>::infinity();
  return frames.masked_fill(mask.logical_not().unsqueeze(-1), lowest).amax(1);
}

}  // namespace vtr::models
