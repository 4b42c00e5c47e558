#include "clip/text.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::models {
namespace {

// Rows of the flattened [B*L] at each text's end, its last true position: [B].
Tensor end_rows(const Tensor& mask) {
  const int64_t length = mask.size(1);
  const auto options = mask.options().dtype(at::kLong);
  const Tensor ends = mask.to(at::kLong).mul(at::arange(1, length + 1, options)).argmax(1);
  return ends.add_(at::arange(mask.size(0), options), length);
}

}  // namespace

ClipText::ClipText(torch::nn::Module& owner, const ClipOptions& options)
    : positional_(owner.register_parameter("positional_embedding",
                                           at::empty({options.context, options.text_width}))),
      projection_(owner.register_parameter("text_projection",
                                           at::empty({options.text_width, options.embed_dim}))),
      ln_final_(owner.register_module(
          "ln_final", torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.text_width})))),
      transformer_(owner.register_module("transformer",
                                         std::make_shared<ClipTransformer>(options.text_tower()))) {
  const auto words =
      owner.register_module("token_embedding", std::make_shared<torch::nn::Module>());
  embedding_ = words->register_parameter("weight", at::empty({options.vocab, options.text_width}));
}

// OpenAI's CLIP.initialize_parameters.
void ClipText::reset() {
  const torch::NoGradGuard no_grad;
  const auto width = static_cast<double>(transformer_->options().width);
  const auto layers = static_cast<double>(transformer_->options().layers);
  const double proj_std = 1 / std::sqrt(width * 2 * layers);
  embedding_.normal_(0, 0.02);
  positional_.normal_(0, 0.01);
  projection_.normal_(0, 1 / std::sqrt(width));
  transformer_->reset();
  for (const auto& block : transformer_->blocks()) {
    block->attn->in_proj_weight.normal_(0, 1 / std::sqrt(width));
    block->attn->out_proj->weight.normal_(0, proj_std);
    block->mlp->c_fc->weight.normal_(0, 1 / std::sqrt(2 * width));
    block->mlp->c_proj->weight.normal_(0, proj_std);
  }
}

Tensor ClipText::embed(const Tensor& ids, const Tensor& mask) const {
  VTR_CHECK(ids.dim() == 2 && ids.size(1) > 0 && ids.size(1) <= positional_.size(0),
            "texts of 1 to {} tokens are needed, got ids of shape [{}]", positional_.size(0),
            fmt::join(ids.sizes().vec(), ", "));
  VTR_CHECK(mask.sizes() == ids.sizes(), "the mask's shape [{}] is not that of the ids [{}]",
            fmt::join(mask.sizes().vec(), ", "), fmt::join(ids.sizes().vec(), ", "));
  return at::embedding(embedding_, ids).add_(positional_.narrow(0, 0, ids.size(1))).flatten(0, 1);
}

TextFeatures ClipText::features(const Tensor& x, const Tensor& mask, bool want_tokens) {
  const Tensor ends = end_rows(mask);
  if (!want_tokens) {
    return {at::matmul(ln_final_(x.index_select(0, ends)), projection_), {}, mask};
  }
  const Tensor tokens = at::matmul(ln_final_(x), projection_);  // [B*L, D]
  return {tokens.index_select(0, ends), tokens.view({-1, mask.size(1), tokens.size(1)}), mask};
}

TextFeatures ClipText::forward(const Tensor& ids, const Tensor& mask, bool want_tokens) {
  // Causal attention needs no mask for what comes after a text's end.
  const Tensor x = transformer_->forward(embed(ids, mask), ids.size(1), /*causal=*/true);
  return features(x, mask, want_tokens);
}

}  // namespace vtr::models
