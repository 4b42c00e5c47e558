// How loaded tensors fit a model's: what would be copied, and what stands against it.
#pragma once

#include "vtr/models/weights/safetensors.h"

#include <string>
#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}

namespace vtr::models {

struct Fit {
  std::vector<std::pair<Tensor, Tensor>> copies;  // into, from
  // "name [2, 3]": of the model only, of the file only, of both.
  std::vector<std::string> missing, unexpected, mismatched;
  bool whole() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
  void copy() const;  // converts dtype and device
};

Fit fit(const TensorMap& into, const TensorMap& tensors);

// The first rows of `tensor` when `name` is a table of positions with more of them than the target:
// the authors' tables are as long as their longest input.
Tensor cut_positions(const std::string& name, const Tensor& tensor, const TensorMap& targets);

// Parameters and buffers.
TensorMap named_tensors(const torch::nn::Module& module);

}  // namespace vtr::models
