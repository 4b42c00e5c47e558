// CLIP's image tower, a ViT.
#pragma once

#include "clip/blocks.h"
#include "clip/options.h"

namespace vtr::models {

class ClipVision final : public torch::nn::Module {
 public:
  explicit ClipVision(const ClipOptions& options);
  void reset();
  Tensor forward(const Tensor& pixels);  // [N, 3, R, R] -> [N, D], the class token's projection
  Tensor tokens(const Tensor& pixels);   // [N, 3, R, R] -> [N, 1 + P, D], class token first

 private:
  Tensor embed(const Tensor& pixels);  // [N, 3, R, R] -> [N * (1 + P), W]

  int64_t patch_, side_, width_;
  Tensor class_embedding_, positional_embedding_, proj_;  // [W], [1 + P, W], [W, D]
  Tensor conv1_;                                          // [W, 3, patch, patch]
  torch::nn::LayerNorm ln_pre_, ln_post_;
  std::shared_ptr<ClipTransformer> transformer_;
};

}  // namespace vtr::models
