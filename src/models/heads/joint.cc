#include "heads/heads.h"
#include "temporal/temporal.h"

#include <torch/torch.h>

#include <cmath>

namespace vtr::models {
namespace {

namespace F = torch::nn::functional;

struct Options : TemporalOptions {
  int64_t heads = 1;
  int64_t topk = 0;
  double dropout = 0.3;
  double init_noise = 0;
  void fields(auto& f) {
    f("heads", heads, "attention heads", config::at_least(1));
    TemporalOptions::fields(f);
    f("topk", topk, "K, the frames kept for a text; 0: all", config::at_least(0));
    f("dropout", dropout, "dropout of the last linear layer", config::between(0, 0.99));
    f("init_noise", init_noise, "projections start as the identity plus noise of this over sqrt(D)",
      config::at_least(0));
  }
};

struct JointOptions : Options {
  JointOptions() {
    heads = 4;
    temporal = "learned";
    init_noise = 0.3;
  }
};

torch::nn::Linear near_identity(int64_t width, double noise) {
  torch::nn::Linear linear(width, width);
  const torch::NoGradGuard no_grad;
  torch::nn::init::eye_(linear->weight);
  linear->weight.add_(torch::randn_like(linear->weight),
                      noise / std::sqrt(static_cast<double>(width)));
  linear->bias.zero_();
  return linear;
}

// The four projections, under X-Pool's names.
struct ProjectionsImpl : torch::nn::Module {
  ProjectionsImpl(int64_t width, double noise)
      : q(register_module("q_proj", near_identity(width, noise))),
        k(register_module("k_proj", near_identity(width, noise))),
        v(register_module("v_proj", near_identity(width, noise))),
        out(register_module("out_proj", near_identity(width, noise))) {}
  torch::nn::Linear q, k, v, out;
};
TORCH_MODULE(Projections);

// What `cross` and `joint` share: projections, norms, temporal encoding, the relevance of a frame
// and the tail. With d = D/H the relevance of frame i, averaged over the attention heads, is one
// inner product: r_i = mean_h (q_s . k_i)_h / sqrt(d) = (q_s . k_i) / (H sqrt(d)).
class AttentionHead : public Head {
 public:
  AttentionHead(const Options& options, const HeadContext& context)
      : options_(options),
        context_(context),
        attention_(register_module("cross_attn", Projections(context.width, options.init_noise))),
        linear_(register_module("linear_proj", near_identity(context.width, options.init_noise))),
        norm1_(register_module("layer_norm1", norm(context))),
        norm2_(register_module("layer_norm2", norm(context))),
        norm3_(register_module("layer_norm3", norm(context))) {
    check_topk(options.topk, context);
    VTR_CHECK(context.width % options.heads == 0,
              "model.head.heads: {} does not divide the width {}", options.heads, context.width);
    temporal_ =
        register_module("temporal", temporal_encodings()
                                        .find(options.temporal)
                                        .make({context.width, context.frames, options.heads}));
  }

 protected:
  static torch::nn::LayerNorm norm(const HeadContext& context) {
    return torch::nn::LayerNorm(torch::nn::LayerNormOptions({context.width}));
  }

  // [B, ..., D] -> [B, ..., H, d]
  Tensor split(const Tensor& x) const { return x.unflatten(-1, {options_.heads, -1}); }
  double head_scale() const {
    return 1 / std::sqrt(static_cast<double>(context_.width / options_.heads));
  }

  Tensor positions(const VideoFeatures& features) const {
    return frame_positions(features, options_.time_unit);
  }

  // f_i = LN1(x_i) + p_i  [M, T, D]
  Tensor placed_frames(const VideoFeatures& features) {
    const Tensor f = norm1_(features.frames);
    const Tensor p = temporal_->added(positions(features));
    return p.defined() ? f + p : f;
  }

  // r [N, M, T] from the texts' q [N, D] and the videos' state, -inf where not kept.
  Tensor relevance(const Tensor& q, const VideoState& video) const {
    const Tensor& k = video["k"];  // [M, T, D]
    const int64_t m = k.size(0), t = k.size(1);
    Tensor r = q.matmul(k.flatten(0, 1).t()).view({-1, m, t}) *
               (head_scale() / static_cast<double>(options_.heads));
    if (video.has("from_text")) r = r + video["from_text"].mean(1);
    return select_topk(r, video["mask"], options_.topk);
  }

  // pooled [M, N, D] -> sim [N, M] = n(t) . n(LN3(z + Dropout(W z + b))), z = LN2(pooled)
  Tensor tail(const Tensor& pooled, const Tensor& text) {
    const Tensor z = norm2_(pooled);
    const Tensor o = norm3_(z + torch::dropout(linear_(z), options_.dropout, is_training()));
    const auto unit = F::NormalizeFuncOptions().dim(-1);
    return (F::normalize(o, unit) * F::normalize(text, unit)).sum(-1).t();
  }

  Options options_;
  HeadContext context_;
  Projections attention_;
  torch::nn::Linear linear_;
  torch::nn::LayerNorm norm1_, norm2_, norm3_;
  std::shared_ptr<TemporalEncoding> temporal_;
};

// The text attends over the frames, which do not see each other. With temporal `none` this is
// X-Pool: Gorti et al., CVPR 2022.
class Cross final : public AttentionHead {
 public:
  using AttentionHead::AttentionHead;

  TextState text(const TextFeatures& features) override {
    return State::Items{{"text", features.pooled}, {"q", attention_->q(norm1_(features.pooled))}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor f = placed_frames(features), at = positions(features);
    const Tensor k = temporal_->rotated(split(attention_->k(f)), at).flatten(2);
    State::Items state{{"k", k}, {"v", attention_->v(f)}, {"mask", features.mask}};  // [M, T, D]
    if (const Tensor bias = temporal_->bias(at); bias.defined()) {
      const Tensor row = bias.select(2, 0).slice(2, 1);  // [M or 1, H, T]
      state.emplace_back("from_text", row.expand({f.size(0), -1, -1}));
    }
    return state;
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor left = relevance(text["q"], video).isinf();         // [N, M, T]
    const Tensor q = split(text["q"]).transpose(0, 1).unsqueeze(0);  // [1, H, N, d]
    const Tensor k = split(video["k"]).permute({0, 2, 3, 1});        // [M, H, d, T]
    const Tensor v = split(video["v"]).transpose(1, 2);              // [M, H, T, d]
    Tensor logits = q.matmul(k) * head_scale();                      // [M, H, N, T]
    if (video.has("from_text")) logits = logits + video["from_text"].unsqueeze(2);
    const Tensor a = logits
                         .masked_fill(left.transpose(0, 1).unsqueeze(1),
                                      -std::numeric_limits<double>::infinity())
                         .softmax(-1);
    return tail(attention_->out(a.matmul(v).transpose(1, 2).flatten(2)), text["text"]);
  }

  int64_t pair_bytes() const override {
    return (6 * context_.width + 4 * options_.heads * context_.frames) * int64_t{sizeof(float)};
  }
};

// Joint text-frame cross-modal attention, our reading of Dong, Li, Ba and Tan, "Video-Text
// Retrieval Method Based on Cross-Modal Attention Mechanism", 2026: one attention over J = [s;
// f_1..f_T] whose frame-frame part is temporal and whose text row is the relevance that pools.
//   h_i = f_i + W_o sum_j a_ij v_j + b_o,   pooled = sum_i w_i h_i,   w = softmax of the K largest
//   r_i
// Adding the text to the frames' own attention is a rank-1 update: with O_ih the attention's output
// and l_ih its log-sum-exp over the frames alone (both the video's own),
//   alpha_ih = sigmoid(q_ih . k_sh / sqrt(d) - l_ih),   sum_j a_ij v_j = (1 - alpha) O_ih + alpha
//   v_sh.
class Joint final : public AttentionHead {
 public:
  Joint(const JointOptions& options, const HeadContext& context)
      : AttentionHead(options, context) {}

  TextState text(const TextFeatures& features) override {
    const Tensor s = norm1_(features.pooled);
    return State::Items{{"text", features.pooled},
                        {"q", attention_->q(s)},         // [N, D]
                        {"k", split(attention_->k(s))},  // [N, H, d]
                        {"v", split(attention_->v(s))}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor f = placed_frames(features), at = positions(features);
    const Tensor q = temporal_->rotated(split(attention_->q(f)), at);  // [M, T, H, d]
    const Tensor k = temporal_->rotated(split(attention_->k(f)), at);
    const Tensor v = split(attention_->v(f)).transpose(1, 2);  // [M, H, T, d]
    Tensor logits = q.transpose(1, 2).matmul(k.permute({0, 2, 3, 1})) * head_scale();
    const Tensor bias = temporal_->bias(at);  // [M or 1, H, T + 1, T + 1]
    if (bias.defined()) logits = logits + bias.slice(2, 1).slice(3, 1);
    logits = logits.masked_fill(features.mask.logical_not().unsqueeze(1).unsqueeze(1),
                                -std::numeric_limits<double>::infinity());
    State::Items state{{"f", f},
                       {"q", q},
                       {"k", k.flatten(2)},                  // [M, T, D]
                       {"o", logits.softmax(-1).matmul(v)},  // [M, H, T, d]
                       {"lse", logits.logsumexp(-1)},        // [M, H, T]
                       {"mask", features.mask}};
    if (bias.defined()) {
      const auto all = [&](const Tensor& some) { return some.expand({f.size(0), -1, -1}); };
      state.emplace_back("from_text", all(bias.select(2, 0).slice(2, 1)));  // [M, H, T]
      state.emplace_back("to_text", all(bias.select(3, 0).slice(2, 1)));
    }
    return state;
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor w = relevance(text["q"], video).softmax(-1).transpose(0, 1);  // [M, N, T]
    const Tensor ks = text["k"].permute({1, 2, 0});                            // [H, d, N]
    const Tensor vs = text["v"].transpose(0, 1);                               // [H, N, d]
    Tensor logits = video["q"].transpose(1, 2).matmul(ks) * head_scale();      // [M, H, T, N]
    if (video.has("to_text")) logits = logits + video["to_text"].unsqueeze(-1);
    const Tensor alpha = (logits - video["lse"].unsqueeze(-1)).sigmoid().transpose(2, 3);
    const Tensor taken = w.unsqueeze(1) * alpha;  // [M, H, N, T]
    const Tensor mixed = (w.unsqueeze(1) - taken).matmul(video["o"]) +
                         taken.sum(-1, /*keepdim=*/true) * vs;  // [M, H, N, d]
    return tail(w.matmul(video["f"]) + attention_->out(mixed.transpose(1, 2).flatten(2)),
                text["text"]);
  }

  int64_t pair_bytes() const override {
    return (8 * context_.width + 4 * options_.heads * context_.frames) * int64_t{sizeof(float)};
  }
};

}  // namespace

HeadEntry cross_head() {
  return head_entry<Cross, Options>("cross",
                                    "text-conditioned pooling of the frames (X-Pool's form)");
}

HeadEntry joint_head() {
  return head_entry<Joint, JointOptions>("joint",
                                         "joint text-frame cross-modal attention (the paper's)");
}

}  // namespace vtr::models
