// CLIP's causal text tower. No module of its own: OpenAI's names put its parts at the root, so it
// registers them with its owner.
#pragma once

#include "clip/blocks.h"
#include "clip/options.h"

#include "vtr/models/features.h"

namespace vtr::models {

class ClipText {
 public:
  ClipText(torch::nn::Module& owner, const ClipOptions& options);
  void reset();
  // ids [B, L], mask [B, L]; `tokens` is defined when wanted.
  TextFeatures forward(const Tensor& ids, const Tensor& mask, bool want_tokens);

  // Its parts: ids [B, L], mask [B, L] -> [B*L, W] -> the transformer -> features.
  Tensor embed(const Tensor& ids, const Tensor& mask) const;
  ClipTransformer& transformer() { return *transformer_; }
  TextFeatures features(const Tensor& x, const Tensor& mask, bool want_tokens);

 private:
  Tensor embedding_, positional_, projection_;  // [vocab, W], [context, W], [W, D]
  torch::nn::LayerNorm ln_final_;
  std::shared_ptr<ClipTransformer> transformer_;
};

}  // namespace vtr::models
