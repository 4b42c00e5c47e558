// Of the frames there are: frames [M, T, D], mask [M, T] bool -> [M, D].
#pragma once

#include "vtr/core/tensor.h"

namespace vtr::models {

Tensor frames_mean(const Tensor& frames, const Tensor& mask);
Tensor frames_max(const Tensor& frames, const Tensor& mask);

}  // namespace vtr::models
