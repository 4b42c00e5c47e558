// AdamW over named parameters in groups, by ATen's fused kernel: one call a group and step.
#pragma once

#include "vtr/models/weights/safetensors.h"
#include "vtr/train/options.h"

#include <torch/nn/module.h>

#include <string>
#include <vector>

namespace vtr::train {

class AdamW {
 public:
  // The parameters that require gradients; those under "clip." have the encoders' rate. Matrices
  // decay; vectors and scalars (norms, biases, the temperature) do not.
  AdamW(torch::nn::Module& model, const TrainOptions& options);
  void zero_grad();
  // One update with every rate times `factor`.
  void step(double factor);
  int64_t size() const;                   // values that train
  std::vector<Tensor> gradients() const;  // defined ones
  models::TensorMap state() const;        // moments by parameter name, and the count of steps
  void load_state(const models::TensorMap& state);

 private:
  struct Group {
    double lr, weight_decay;
    std::vector<std::string> names;
    std::vector<Tensor> parameters, mean, square, steps;
  };
  TrainOptions options_;
  std::vector<Group> groups_;
};

// Turns gradients off for the parameters whose names match a pattern (* is any text); a pattern
// that matches none is a Error. Returns how many values are frozen.
int64_t freeze(torch::nn::Module& model, const std::vector<std::string>& patterns);

}  // namespace vtr::train
