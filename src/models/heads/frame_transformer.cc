#include "heads/frame_transformer.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace vtr::models {
namespace {

constexpr double kEpsilon = 1e-12;  // CLIP4Clip's LayerNorm; CLIP's own has 1e-5
constexpr double kPadded = -1e6;    // on a padded key's logit
constexpr double kStart = 0.02;     // standard deviation of what starts at random

// Linear layers N(0, 0.02), biases 0; the joint projection of queries, keys and values as in
// torch.nn.MultiheadAttention, which CLIP4Clip leaves alone.
void start(ClipBlock& block) {
  const torch::NoGradGuard no_grad;
  block.attn->reset();
  for (const auto& linear : {block.attn->out_proj, block.mlp->c_fc, block.mlp->c_proj}) {
    linear->weight.normal_(0, kStart);
    linear->bias.zero_();
  }
}

// What is added to the logits: [M or 1, H or 1, L or 1, L].
Tensor added_logits(const Tensor& mask, const Tensor& bias) {
  const Tensor padded = mask.logical_not().to(torch::kFloat).mul(kPadded);  // [M, L]
  const Tensor keys = padded.unsqueeze(1).unsqueeze(1);
  return bias.defined() ? keys + bias.slice(2, 1).slice(3, 1) : keys;  // without the text's
}

}  // namespace

CrossBlocks::CrossBlocks(const FrameTransformerOptions& options, int64_t width)
    : width_(width), heads_(options.heads) {
  VTR_CHECK(width % heads_ == 0, "model.head.heads: {} does not divide the width {}", heads_,
            width);
  const auto list = register_module("resblocks", std::make_shared<torch::nn::ModuleListImpl>());
  for (int64_t i = 0; i < options.layers; ++i) {
    const auto block = std::make_shared<ClipBlock>(
        ClipTowerOptions{width, options.layers, heads_, ClipActivation::quick_gelu});
    for (auto* norm : {&block->ln_1, &block->ln_2}) (*norm)->options.eps(kEpsilon);
    start(*block);
    list->push_back(block);
    blocks_.push_back(block);
  }
}

Tensor CrossBlocks::attend(const ClipAttention& attention, const Tensor& x, const Tensor& added,
                           TemporalEncoding& temporal, const Tensor& positions) const {
  const Tensor qkv = at::linear(x, attention.in_proj_weight, attention.in_proj_bias);
  const auto parts = qkv.unflatten(-1, {3, heads_, width_ / heads_}).unbind(2);  // [M, L, H, d]
  const Tensor q = temporal.rotated(parts[0], positions).transpose(1, 2);        // [M, H, L, d]
  const Tensor k = temporal.rotated(parts[1], positions).permute({0, 2, 3, 1});  // [M, H, d, L]
  const Tensor logits = q.matmul(k) * (1 / std::sqrt(static_cast<double>(width_ / heads_))) + added;
  const Tensor y = logits.softmax(-1).matmul(parts[2].transpose(1, 2));  // [M, H, L, d]
  return attention.out_proj->forward(y.transpose(1, 2).flatten(2));
}

Tensor CrossBlocks::forward(Tensor x, const Tensor& mask, TemporalEncoding& temporal,
                            const Tensor& positions) {
  const Tensor added = added_logits(mask, temporal.bias(positions));
  for (const auto& block : blocks_) {
    x = x + attend(*block->attn, block->ln_1(x), added, temporal, positions);
    x = x + block->mlp->forward(block->ln_2(x));
  }
  return x;
}

int64_t CrossBlocks::bytes(int64_t length) const {
  const int64_t in_mlp = 11 * width_;  // x, its norm, the inner layer before and after QuickGELU
  const int64_t in_attention = 7 * width_ + 3 * heads_ * length;
  return length * std::max(in_mlp, in_attention) * int64_t{sizeof(float)};
}

std::shared_ptr<TemporalEncoding> make_frame_encoding(const FrameTransformerOptions& options,
                                                      int64_t width, int64_t rows) {
  auto encoding = temporal_encodings().find(options.temporal).make({width, rows, options.heads});
  const torch::NoGradGuard no_grad;
  auto parameters = encoding->named_parameters();
  if (Tensor* table = parameters.find("positions")) table->normal_(0, kStart);
  return encoding;
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
          "temporal", make_frame_encoding(options, context.width, context.frames))) {}

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
