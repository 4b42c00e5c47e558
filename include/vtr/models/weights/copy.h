// Loaded values into a module.
#pragma once

#include "vtr/models/weights/safetensors.h"

#include <string>

namespace torch::nn {
class Module;
}

namespace vtr::models {

// Copies every tensor into the module's parameter or buffer of that name, converting dtype and
// device. Strict: throws Error naming `what` (the file) and the first few missing, unexpected and
// mismatched tensors with their shapes; the module is then unchanged.
void copy_parameters(torch::nn::Module& module, const TensorMap& tensors, const std::string& what);
void copy_parameters(const TensorMap& into, const TensorMap& tensors, const std::string& what);

// Throws Error naming the first tensor that holds NaN or infinity.
void require_finite(const TensorMap& tensors, const std::string& what);

}  // namespace vtr::models
