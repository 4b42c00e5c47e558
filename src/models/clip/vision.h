// CLIP's image tower, a ViT, over the frames of videos.
#pragma once

#include "clip/blocks.h"
#include "clip/options.h"

namespace vtr::models {

class ClipVision final : public torch::nn::Module {
 public:
  explicit ClipVision(const ClipOptions& options);
  void reset();
  // CLIP4Clip's `linear_patch 3d`: a patch is embedded with those of the frames before and after
  // it. Starts as conv1 alone.
  void add_conv2();
  void reset_conv2();

  // pixels [B, T, 3, R, R], mask [B, T] of the frames that conv2 may see -> [B*T*L, W], L = 1 + P.
  Tensor embed(const Tensor& pixels, const Tensor& mask);
  Tensor project(const Tensor& x);  // [..., W] -> [..., D]
  int64_t length() const { return 1 + side_ * side_; }
  ClipTransformer& transformer() { return *transformer_; }
  const Tensor& class_embedding() const { return class_embedding_; }            // [W]
  const Tensor& positional_embedding() const { return positional_embedding_; }  // [L, W]

 private:
  Tensor patches(const Tensor& pixels) const;  // [B, T, 3, R, R] -> [B*T*P, 3 patch^2]
  Tensor conv2(const Tensor& pixels, const Tensor& mask) const;  // [B, T, 3, R, R] -> [B*T, P, W]

  int64_t patch_, side_, width_;
  Tensor class_embedding_, positional_embedding_, proj_;  // [W], [L, W], [W, D]
  Tensor conv1_;                                          // [W, 3, patch, patch]
  Tensor conv2_;                                          // [W, 3, 3, patch, patch], or undefined
  torch::nn::LayerNorm ln_pre_, ln_post_;
  std::shared_ptr<ClipTransformer> transformer_;
};

}  // namespace vtr::models
