// Which parameters train, at what rate, and which decay: by their names.
#pragma once

#include "vtr/core/tensor.h"
#include "vtr/train/options.h"

#include <torch/nn/module.h>

#include <string>
#include <vector>

namespace vtr::train {

// Turns gradients off for the parameters whose names match a pattern (* is any text); a pattern
// that matches none is an Error. Returns how many values are frozen.
int64_t freeze(torch::nn::Module& model, const std::vector<std::string>& patterns);

struct Trained {
  std::string name;
  Tensor value;
  bool encoder;        // under "clip."
  double rate, decay;  // peak rate, weight decay
};

// The parameters that require gradients, in the model's order. Of the patterns of train.rates that
// match, all factors count. Throws Error for a pattern of
// train.rates that matches none of all, and for train.layer_decay where there are no blocks.
std::vector<Trained> trained(const torch::nn::Module& model, const TrainOptions& options);

}  // namespace vtr::train
