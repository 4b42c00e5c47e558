// TS2-Net's choice of a few patches of every frame: Liu et al., ECCV 2022; its gradient: Cordonnier
// et al., Differentiable Patch Selection, CVPR 2021.
#pragma once

#include "vtr/core/tensor.h"

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace vtr::models {

// The mean over S perturbations scores + sigma * noise of which patch is the first, .. K-th of the
// K largest, in the order of the patches: scores [R, P], noise [R, S, P] -> [R, K, P]. The gradient
// is that of the mean for normal noise, estimated by the same samples.
Tensor perturbed_topk(const Tensor& scores, const Tensor& noise, int64_t k, double sigma);

// How informative a token is, from itself and the frame's class token.
class ScorePredictor final : public torch::nn::Module {
 public:
  explicit ScorePredictor(int64_t width);
  // tokens [B, T, 1 + P, D], the class token first -> [B, T, 1 + P] in (-1, 1).
  Tensor forward(const Tensor& tokens);

 private:
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear inner_{nullptr}, joined_{nullptr}, last_{nullptr};
};

class VisualTokenSelection final : public torch::nn::Module {
 public:
  VisualTokenSelection(int64_t width, int64_t k);
  // tokens [B, T, 1 + P, D] -> the class token and K patches of each frame [B, T, 1 + K, D]: the K
  // with the largest scores, or, perturbed, a soft choice with noise from torch's default
  // generator.
  Tensor forward(const Tensor& tokens, bool perturbed);
  ScorePredictor& score_predictor() { return *score_predictor_; }

 private:
  int64_t k_;
  std::shared_ptr<ScorePredictor> score_predictor_;
};

}  // namespace vtr::models
