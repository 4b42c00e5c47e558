// Memory for time: a part of a model that keeps only its input for the way back, and runs again
// there (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
#pragma once

#include "vtr/core/tensor.h"

#include <functional>
#include <vector>

namespace vtr::models {

// One tensor to another with some parameters; the same whenever it runs, so nothing random in it.
using Body = std::function<Tensor(const Tensor&)>;

// body(x), and its gradients to the bit: on the way back it runs again under the autocast of now.
// Every parameter that it uses must be among `parameters`.
Tensor recomputed(const Tensor& x, const std::vector<Tensor>& parameters, const Body& body);

}  // namespace vtr::models
