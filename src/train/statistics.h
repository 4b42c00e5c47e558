// The running statistics of batch norms, which a forward pass changes before it is known whether
// its step counts.
#pragma once

#include "vtr/core/tensor.h"

#include <torch/nn/module.h>

#include <vector>

namespace vtr::train {

class Statistics {
 public:
  explicit Statistics(const torch::nn::Module& model);
  void keep();                           // before a step
  void put_back(const Tensor& skipped);  // 1 where the step was left out, else 0; waits for nothing

 private:
  std::vector<Tensor> statistics_, kept_;
};

}  // namespace vtr::train
