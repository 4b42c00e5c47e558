#include "clip/blocks.h"

#include "vtr/models/matmul.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::models {
namespace {

// y + x; into y where autograd permits (y leaves a linear layer, which does not keep its result)
// and the sum has y's dtype: under autocast y may be bfloat16 while the residual stream x is
// float32.
Tensor add_into(Tensor y, const Tensor& x) {
  if (y.scalar_type() != x.scalar_type()) return x + y;
  return y.add_(x);
}

// The fused kernel for CPUs is five times slower than plain products (50 tokens, forward and
// backward, AMX) where oneDNN multiplies for it: in float32 by choice (matmul.h), and in the
// gradient of half precision.
bool fused_is_slow(const Tensor& q) {
  if (!q.is_cpu()) return false;
  if (q.scalar_type() != at::kFloat) return q.requires_grad();
  return onednn_multiplies();
}

}  // namespace

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, const Tensor& keep) {
  if (q.is_cpu() && !has_matmul(q.scalar_type())) {  // twice as fast in float32, as its products
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);
    const auto wide = [](const Tensor& x) { return x.to(at::kFloat); };
    return attend(wide(q), wide(k), wide(v), causal, keep).to(q.scalar_type());
  }
  if (!fused_is_slow(q)) {
    return at::scaled_dot_product_attention(
        q, k, v, keep.defined() ? std::optional(keep) : std::nullopt, 0.0, causal);
  }
  Tensor scores =
      at::matmul(q * (1 / std::sqrt(static_cast<double>(q.size(3)))), k.transpose(2, 3));
  if (causal) {
    const int64_t length = k.size(2);
    scores = scores + at::full({length, length}, -INFINITY, scores.options()).triu_(1);
  }
  if (keep.defined()) scores = scores.masked_fill(keep.logical_not(), -INFINITY);
  return at::matmul(scores.softmax(-1), v);
}

// As silu(1.702 h) / 1.702: three passes over h fewer in the gradient.
Tensor quick_gelu(Tensor h) {
  constexpr double kSteepness = 1.702;
  return at::silu(h.mul_(kSteepness)).mul_(1 / kSteepness);
}

ClipLinear::ClipLinear(int64_t in, int64_t out)
    : weight(register_parameter("weight", at::empty({out, in}))),
      bias(register_parameter("bias", at::empty({out}))) {}

void ClipLinear::reset() {
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  const torch::NoGradGuard no_grad;
  weight.uniform_(-bound, bound);
  bias.uniform_(-bound, bound);
}

Tensor ClipLinear::forward(const Tensor& x) const { return at::linear(x, weight, bias); }

ClipAttention::ClipAttention(int64_t width, int64_t heads)
    : in_proj_weight(register_parameter("in_proj_weight", at::empty({3 * width, width}))),
      in_proj_bias(register_parameter("in_proj_bias", at::empty({3 * width}))),
      out_proj(register_module("out_proj", std::make_shared<ClipLinear>(width, width))),
      width_(width),
      heads_(heads) {}

void ClipAttention::reset() {
  const torch::NoGradGuard no_grad;
  torch::nn::init::xavier_uniform_(in_proj_weight);
  in_proj_bias.zero_();
  out_proj->reset();
  out_proj->bias.zero_();
}

std::array<Tensor, 3> ClipAttention::project(const Tensor& x, int64_t length) const {
  const Tensor qkv = at::linear(x, in_proj_weight, in_proj_bias);  // [N*L, 3W]
  // Views; unbind's gradient is one stack, three slices would each fill a [N*L, 3W].
  const auto parts = qkv.view({-1, length, 3, heads_, width_ / heads_}).unbind(2);
  return {parts[0].transpose(1, 2), parts[1].transpose(1, 2), parts[2].transpose(1, 2)};
}

Tensor ClipAttention::merge(const Tensor& y) const {
  return out_proj->forward(y.transpose(1, 2).reshape({-1, width_}));
}

Tensor ClipAttention::forward(const Tensor& x, int64_t length, bool causal) const {
  const auto [q, k, v] = project(x, length);
  return merge(attend(q, k, v, causal));
}

Tensor ClipAttention::first(const Tensor& x, int64_t length) const {
  const auto weights = in_proj_weight.split_with_sizes({width_, 2 * width_});
  const auto biases = in_proj_bias.split_with_sizes({width_, 2 * width_});
  const Tensor rows = x.view({-1, length, width_}).select(1, 0);  // [N, W]
  const Tensor q = at::linear(rows, weights[0], biases[0]);       // [N, W]
  const Tensor kv = at::linear(x, weights[1], biases[1]);         // [N*L, 2W]
  const auto parts = kv.view({-1, length, 2, heads_, width_ / heads_}).unbind(2);
  return merge(attend(q.view({-1, heads_, 1, width_ / heads_}), parts[0].transpose(1, 2),
                      parts[1].transpose(1, 2)));
}

ClipMlp::ClipMlp(const Sizes& sizes, ClipActivation activation, const char* first,
                 const char* second)
    : c_fc(register_module(first, std::make_shared<ClipLinear>(sizes.in, sizes.hidden))),
      c_proj(register_module(second, std::make_shared<ClipLinear>(sizes.hidden, sizes.out))),
      activation_(activation) {}

void ClipMlp::reset() {
  c_fc->reset();
  c_proj->reset();
}

Tensor ClipMlp::forward(const Tensor& x) const {
  const Tensor h = c_fc->forward(x);  // [n, hidden]
  return c_proj->forward(activation_ == ClipActivation::gelu ? at::gelu(h) : quick_gelu(h));
}

ClipBlock::ClipBlock(const ClipTowerOptions& options)
    : attn(register_module("attn", std::make_shared<ClipAttention>(options.width, options.heads))),
      ln_1(register_module("ln_1",
                           torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width})))),
      ln_2(register_module("ln_2",
                           torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width})))),
      mlp(register_module(
          "mlp",
          std::make_shared<ClipMlp>(ClipMlp::Sizes{options.width, 4 * options.width, options.width},
                                    options.activation))) {}

void ClipBlock::reset() {
  attn->reset();
  mlp->reset();
}

Tensor ClipBlock::forward(const Tensor& x, int64_t length, bool causal) {
  return run(
      x, [=, this](const Tensor& y) { return after(attn->forward(ln_1(y), length, causal), y); });
}

Tensor ClipBlock::first(const Tensor& x, int64_t length) {
  return run(x, [=, this](const Tensor& y) {
    return after(attn->first(ln_1(y), length), y.view({-1, length, y.size(1)}).select(1, 0));
  });
}

Tensor ClipBlock::run(const Tensor& x, const Body& body) {
  return recompute ? recomputed(x, parameters(), body) : body(x);
}

Tensor ClipBlock::after(const Tensor& attention, const Tensor& x) {
  const Tensor y = add_into(attention, x);
  return add_into(mlp->forward(ln_2(y)), y);
}

ClipTransformer::ClipTransformer(const ClipTowerOptions& options) : options_(options) {
  const auto list = register_module("resblocks", std::make_shared<torch::nn::ModuleListImpl>());
  for (int64_t i = 0; i < options.layers; ++i) {
    blocks_.push_back(std::make_shared<ClipBlock>(options));
    list->push_back(blocks_.back());
  }
}

void ClipTransformer::reset() {
  for (const auto& block : blocks_) block->reset();
}

void ClipTransformer::recompute_blocks() {
  for (const auto& block : blocks_) block->recompute = true;
}

int64_t ClipTransformer::kept_bytes(int64_t tokens, bool half) const {
  constexpr int64_t kNorms = 2, kRest = 15;  // times the width
  constexpr int64_t kWayBack = 24;           // bytes, as measured in float32 and half precision
  int64_t block = 4 * kNorms + (half ? 2 : 4) * kRest;
  if (half && blocks_.front()->ln_1->weight.is_cpu() && !has_matmul(at::kBFloat16)) block += 2 * 5;
  const auto count = static_cast<int64_t>(blocks_.size());
  const int64_t all = blocks_.front()->recompute ? block + kWayBack + 4 * count : block * count;
  return tokens * options_.width * all;
}

Tensor ClipTransformer::forward(Tensor x, int64_t length, bool causal) {
  for (const auto& block : blocks_) x = block->forward(x, length, causal);
  return x;
}

Tensor ClipTransformer::first(Tensor x, int64_t length) {
  for (size_t i = 0; i + 1 < blocks_.size(); ++i)
    x = blocks_[i]->forward(x, length, /*causal=*/false);
  return blocks_.back()->first(x, length);
}

}  // namespace vtr::models
