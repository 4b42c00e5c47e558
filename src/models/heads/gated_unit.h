// The gated embedding unit of mixtures of embedding experts, without the final normalisation:
//   y = W x + b,  y * sigmoid(norm(V y + c))
// Miech, Laptev and Sivic, arXiv 1804.02516, 2018.
#pragma once

#include "vtr/core/tensor.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

namespace vtr::models {

class GatedUnit final : public torch::nn::Module {
 public:
  // `batch_norm`: the gate's logits are normalised over the batch; else norm is the identity.
  GatedUnit(int64_t in, int64_t out, bool batch_norm);
  Tensor forward(const Tensor& x);  // [n, in] -> [n, out]

 private:
  torch::nn::Linear fc_, gate_;
  torch::nn::BatchNorm1d batch_norm_{nullptr};
};

}  // namespace vtr::models
