#include "heads/attention.h"

#include "heads/heads.h"
#include "heads/pair_tail.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::models {
namespace {

torch::nn::Linear near_identity(int64_t width, double noise) {
  torch::nn::Linear linear(width, width);
  const torch::NoGradGuard no_grad;
  torch::nn::init::eye_(linear->weight);
  linear->weight.add_(torch::randn_like(linear->weight),
                      noise / std::sqrt(static_cast<double>(width)));
  linear->bias.zero_();
  return linear;
}

torch::nn::LayerNorm norm(const HeadContext& context) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({context.width}));
}

}  // namespace

ProjectionsImpl::ProjectionsImpl(int64_t width, double noise)
    : q(register_module("q_proj", near_identity(width, noise))),
      k(register_module("k_proj", near_identity(width, noise))),
      v(register_module("v_proj", near_identity(width, noise))),
      out(register_module("out_proj", near_identity(width, noise))) {}

AttentionHead::AttentionHead(const AttentionOptions& options, const HeadContext& context)
    : options_(options),
      context_(context),
      attention_(register_module("cross_attn", Projections(context.width, options.init_noise))),
      linear_(register_module("linear_proj", near_identity(context.width, options.init_noise))),
      norm1_(register_module("layer_norm1", norm(context))),
      norm2_(register_module("layer_norm2", norm(context))),
      norm3_(register_module("layer_norm3", norm(context))) {
  check_topk(options.topk, context);
  VTR_CHECK(context.width % options.heads == 0, "model.head.heads: {} does not divide the width {}",
            options.heads, context.width);
  temporal_ =
      register_module("temporal", temporal_encodings()
                                      .find(options.temporal)
                                      .make({context.width, context.frames, options.heads}));
}

Tensor AttentionHead::split(const Tensor& x) const { return x.unflatten(-1, {options_.heads, -1}); }

double AttentionHead::head_scale() const {
  return 1 / std::sqrt(static_cast<double>(context_.width / options_.heads));
}

Tensor AttentionHead::positions(const VideoFeatures& features) const {
  return frame_positions(features, options_.time_unit);
}

Tensor AttentionHead::placed_frames(const VideoFeatures& features) {
  const Tensor f = norm1_(features.frames);
  const Tensor p = temporal_->added(positions(features));
  return p.defined() ? f + p : f;
}

Tensor AttentionHead::relevance(const Tensor& q, const Tensor& k, const VideoState& video,
                                int64_t topk) const {
  Tensor r = frame_products(q, k) * (head_scale() / static_cast<double>(options_.heads));
  if (video.has("from_text")) r = r + video["from_text"].mean(1);
  return select_topk(r, video["mask"], topk);
}

std::vector<Tensor> AttentionHead::projected(const Tensor& vectors) const {
  const Tensor out = attention_->out->weight.t().unflatten(0, {options_.heads, -1});  // [H, d, D]
  return vectors.transpose(0, 1)
      .flatten(1, 2)
      .bmm(out)
      .unflatten(1, {vectors.size(0), -1})
      .unbind();
}

Tensor AttentionHead::tail(const Tensor& pooled, const Tensor& text) {
  if (is_training() && pooled.is_cpu() && pooled.scalar_type() == torch::kFloat) {
    return pair_tail(parts(), pooled, unit(text)).t();
  }
  const Tensor z = norm2_(pooled);
  const Tensor o = norm3_(z + torch::dropout(linear_(z), options_.dropout, is_training()));
  return (unit(o) * unit(text)).sum(-1).t();
}

}  // namespace vtr::models
