// The name of a tensor for headers that only pass one on: 1 s to compile where torch/torch.h is 13.
#pragma once

#include <ATen/core/Tensor.h>

namespace vtr {

using at::Tensor;

}  // namespace vtr
