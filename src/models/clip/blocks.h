// The transformer both CLIP towers are made of. Activations are kept flat, [N*L, W] for N sequences
// of L tokens: every linear layer is then one matrix product whose result is no view, so that a
// residual can be added in place.
#pragma once

#include "clip/options.h"
#include "recompute.h"

#include "vtr/core/tensor.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/normalization.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace vtr::models {

// q [N, H, Lq, d], k and v [N, H, Lk, d] -> [N, H, Lq, d]. A row sees every key; causal: those up
// to itself; `keep`, bool over [N, H, Lq, Lk]: those it is true for.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, bool causal = false,
              const Tensor& keep = {});

// h sigmoid(1.702 h); takes over h, which must be fresh from a linear layer.
Tensor quick_gelu(Tensor h);

// As torch::nn::Linear, but its values are undefined until `reset`: drawing 150 M random numbers
// only to load weights over them takes seconds.
class ClipLinear final : public torch::nn::Module {
 public:
  ClipLinear(int64_t in, int64_t out);
  void reset();                           // torch::nn::Linear's initialisation
  Tensor forward(const Tensor& x) const;  // [n, in] -> [n, out]
  Tensor weight;                          // [out, in]
  Tensor bias;                            // [out]
};

class ClipAttention final : public torch::nn::Module {
 public:
  ClipAttention(int64_t width, int64_t heads);
  void reset();  // torch.nn.MultiheadAttention's initialisation
  Tensor forward(const Tensor& x, int64_t length, bool causal) const;  // [N*L, W] -> [N*L, W]
  Tensor first(const Tensor& x, int64_t length) const;  // [N*L, W] -> [N, W], each sequence's first
  // Query, key and value, and the way back: [N*L, W] -> 3 x [N, H, L, W/H] -> [N*L, W].
  std::array<Tensor, 3> project(const Tensor& x, int64_t length) const;
  Tensor merge(const Tensor& y) const;
  int64_t heads() const { return heads_; }
  Tensor in_proj_weight;  // [3W, W] of query, key, value
  Tensor in_proj_bias;    // [3W]
  std::shared_ptr<ClipLinear> out_proj;

 private:
  int64_t width_, heads_;
};

class ClipMlp final : public torch::nn::Module {
 public:
  struct Sizes {
    int64_t in, hidden, out;
  };
  ClipMlp(const Sizes& sizes, ClipActivation activation, const char* first = "c_fc",
          const char* second = "c_proj");
  void reset();
  Tensor forward(const Tensor& x) const;  // [n, in] -> [n, out]
  ClipActivation activation() const { return activation_; }
  std::shared_ptr<ClipLinear> c_fc, c_proj;

 private:
  ClipActivation activation_;
};

class ClipBlock final : public torch::nn::Module {
 public:
  explicit ClipBlock(const ClipTowerOptions& options);
  void reset();
  Tensor forward(const Tensor& x, int64_t length, bool causal);  // [N*L, W] -> [N*L, W]
  Tensor first(const Tensor& x, int64_t length);                 // [N*L, W] -> [N, W]
  // The rest of a block whose attention, fresh from a linear layer, is given: [n, W] -> [n, W].
  Tensor after(const Tensor& attention, const Tensor& x);
  // What `body` makes of x with this block's parameters and no others; with `recompute` on it keeps
  // only x for the way back. All the above but `after` go through it.
  Tensor run(const Tensor& x, const Body& body);
  bool recompute = false;
  std::shared_ptr<ClipAttention> attn;
  torch::nn::LayerNorm ln_1, ln_2;
  std::shared_ptr<ClipMlp> mlp;
};

class ClipTransformer final : public torch::nn::Module {
 public:
  explicit ClipTransformer(const ClipTowerOptions& options);
  void reset();
  Tensor forward(Tensor x, int64_t length, bool causal);  // [N*L, W] -> [N*L, W]
  // What `forward` gives at each sequence's first token, [N*L, W] -> [N, W]: the last block
  // computes no other row, a saving of 7 % in twelve layers.
  Tensor first(Tensor x, int64_t length);
  void recompute_blocks();  // from now on each keeps only its input for the way back
  // Bytes that the way back keeps for so many tokens: of each token and block the inputs of two
  // norms, four linear layers and the activation, and q, k, v and the attention's result, 17 W
  // together; where blocks run again, one block's, the gradients of its way back and the others'
  // inputs. Under autocast what the linear layers keep is of half precision; so is the attention's
  // but on CPUs where it is computed in float32, which keeps 5 W more.
  int64_t kept_bytes(int64_t tokens, bool half) const;
  const ClipTowerOptions& options() const { return options_; }
  const std::vector<std::shared_ptr<ClipBlock>>& blocks() const { return blocks_; }

 private:
  ClipTowerOptions options_;
  std::vector<std::shared_ptr<ClipBlock>> blocks_;
};

}  // namespace vtr::models
