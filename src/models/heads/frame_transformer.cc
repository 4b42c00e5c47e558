#include "heads/frame_transformer.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

#include <algorithm>

namespace vtr::models {
namespace {

constexpr double kEpsilon = 1e-12;  // CLIP4Clip's LayerNorm; CLIP's own has 1e-5
constexpr double kPadded = 1e6;     // off a padded key's logit

}  // namespace

torch::nn::LayerNorm cross_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(kEpsilon));
}

void start_linear(ClipLinear& linear) {
  const torch::NoGradGuard no_grad;
  linear.weight.normal_(0, 0.02);
  linear.bias.zero_();
}

CrossBlocks::CrossBlocks(const FrameTransformerOptions& options, int64_t width)
    : width_(width), heads_(options.heads) {
  VTR_CHECK(width % heads_ == 0, "model.head.heads: {} does not divide the width {}", heads_,
            width);
  const auto list = register_module("resblocks", std::make_shared<torch::nn::ModuleListImpl>());
  for (int64_t i = 0; i < options.layers; ++i) {
    const auto block = std::make_shared<ClipBlock>(
        ClipTowerOptions{width, options.layers, heads_, ClipActivation::quick_gelu});
    for (auto* norm : {&block->ln_1, &block->ln_2}) (*norm)->options.eps(kEpsilon);
    // Queries, keys and values start as in torch.nn.MultiheadAttention, which CLIP4Clip leaves
    // alone.
    block->attn->reset();
    for (const auto& linear : {block->attn->out_proj, block->mlp->c_fc, block->mlp->c_proj})
      start_linear(*linear);
    list->push_back(block);
    blocks_.push_back(block);
  }
}

Tensor CrossBlocks::forward(Tensor x, const Tensor& mask, TemporalEncoding& temporal,
                            const Tensor& positions) {
  const PlacedAttention attend(temporal, positions, mask, kPadded);
  for (const auto& block : blocks_) {
    const auto& attn = *block->attn;
    const Tensor qkv = at::linear(block->ln_1(x), attn.in_proj_weight, attn.in_proj_bias);
    const auto parts = qkv.unflatten(-1, {3, heads_, width_ / heads_}).unbind(2);  // [M, L, H, d]
    x = x + attn.out_proj->forward(attend(parts[0], parts[1], parts[2]));
    x = x + block->mlp->forward(block->ln_2(x));
  }
  return x;
}

int64_t CrossBlocks::bytes(int64_t length) const {
  const int64_t in_mlp = 11 * width_;  // x, its norm, the inner layer before and after QuickGELU
  const int64_t in_attention = 10 * width_ + 4 * heads_ * length;
  return length * std::max(in_mlp, in_attention) * int64_t{sizeof(float)};
}

void start_from_text_tower(CrossBlocks& blocks, TemporalEncoding& temporal, Encoders& encoders) {
  const torch::NoGradGuard no_grad;
  auto theirs = encoders.named_parameters();
  bool copied = false;
  for (auto& ours : blocks.named_parameters()) {
    const Tensor* source = theirs.find("transformer." + ours.key());
    if (source == nullptr || source->sizes() != ours.value().sizes()) continue;
    ours.value().copy_(*source);
    copied = true;
  }
  auto parameters = temporal.named_parameters();
  Tensor* table = parameters.find("positions");
  const Tensor* source = theirs.find("positional_embedding");
  if (table != nullptr && source != nullptr && source->size(1) == table->size(1)) {
    const int64_t rows = std::min(table->size(0), source->size(0));
    table->slice(0, 0, rows).copy_(source->slice(0, 0, rows));
  }
  log::info("[model] the frames' transformer starts {}",
            copied ? "from the first layers of CLIP's text tower"
                   : "at random: the encoders have no text tower of its width");
}

FrameTransformer::FrameTransformer(torch::nn::Module& owner, const FrameTransformerOptions& options,
                                   const HeadContext& context)
    : blocks_(owner.register_module("transformerClip",
                                    std::make_shared<CrossBlocks>(options, context.width))),
      temporal_(owner.register_module(
          "temporal",
          make_encoding(options.temporal, {context.width, context.frames, options.heads}))) {}

Tensor FrameTransformer::forward(const Tensor& frames, const Tensor& mask,
                                 const Tensor& positions) {
  const Tensor p = temporal_->added(positions);
  const Tensor placed = p.defined() ? frames + p : frames;
  return frames + blocks_->forward(placed, mask, *temporal_, positions);
}

std::string FrameTransformer::name_here(const std::string& name) {
  return name == "frame_position_embeddings.weight" ? "temporal.positions" : name;
}

}  // namespace vtr::models
