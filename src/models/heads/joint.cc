#include "heads/attention.h"
#include "heads/factored/factored.h"
#include "heads/heads.h"

#include <torch/types.h>

#include <limits>

namespace vtr::models {
namespace {

struct JointOptions : AttentionOptions {
  JointOptions() {
    heads = 4;
    temporal = "learned";
    init_noise = 0.3;
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
    const Tensor at = positions(features), p = temporal_->added(at), &gain = norm1_->weight;
    // f = gain x + rest. Where all videos have one rest, the gain goes into a layer's weights and
    // the rest through them once: stored features take no gradient, and then nor does what is
    // multiplied.
    const Tensor x =
        torch::layer_norm(features.frames, {context_.width}, {}, {}, norm1_->options.eps());
    const Tensor rest = p.defined() ? norm1_->bias + p : norm1_->bias.view({1, 1, -1});
    const Tensor f = x * gain + rest;  // [M, T, D]
    const auto layer = [&](torch::nn::Linear& linear) {
      if (rest.size(0) > 1) return split(linear(f));
      return split(x.matmul((linear->weight * gain).t()) + linear(rest));
    };
    const Tensor q = temporal_->rotated(layer(attention_->q), at);  // [M, T, H, d]
    const Tensor k = temporal_->rotated(layer(attention_->k), at);
    const Tensor v = layer(attention_->v).transpose(1, 2);  // [M, H, T, d]
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
      state.emplace_back("bias", bias.slice(2, 1).expand({f.size(0), -1, -1, -1}));
    }
    return state;
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor w = weights(text, video).transpose(0, 1);  // [M, N, T]
    Tensor logits = video["q"].flatten(0, 1).transpose(0, 1).bmm(text["k"].permute({1, 2, 0}));
    logits = logits.unflatten(1, {w.size(0), -1}).transpose(0, 1) * head_scale();  // [M, H, T, N]
    if (video.has("bias")) logits = logits + video["bias"].select(3, 0).unsqueeze(-1);
    const Tensor alpha = (logits - video["lse"].unsqueeze(-1)).sigmoid().transpose(2, 3);
    const Tensor taken = w.unsqueeze(1) * alpha;  // [M, H, N, T]
    return tail(projects_videos(text.size()) ? of_projected(w, taken, text, video)
                                             : projected_pairs(w, taken, text, video),
                text["text"]);
  }

  Explanation explain(const TextState& text, const VideoState& video) override {
    return {relevance(text["q"], video["k"], video, /*topk=*/0), weights(text, video)};
  }

  int64_t pair_bytes() const override {
    return ((9 + options_.heads / 2) * context_.width + 4 * options_.heads * context_.frames) *
           int64_t{sizeof(float)};
  }

  std::unique_ptr<Factored> factored() override { return factor_joint(parts()); }

  // One attention over J = [s; f_1..f_T] for every pair, its T frame rows projected and pooled.
  Tensor naive(const TextState& text, const VideoState& video) override {
    const int64_t n = text.size(), m = video.size(), t = video["mask"].size(1);
    const auto per_pair = [&](const Tensor& of_text, const Tensor& of_video) {
      const Tensor s = of_text.unsqueeze(1).unsqueeze(0).expand({m, -1, -1, -1, -1});
      const Tensor x = of_video.unsqueeze(1).expand({-1, n, -1, -1, -1});
      return torch::cat({s, x}, 2).transpose(2, 3);  // [M, N, H, T + 1, d]
    };
    const Tensor q = video["q"].transpose(1, 2).unsqueeze(1);  // [M, 1, H, T, d]
    const Tensor k = per_pair(text["k"], split(video["k"]));
    const Tensor v = per_pair(text["v"], split(attention_->v(video["f"])));
    Tensor logits = q.matmul(k.transpose(3, 4)) * head_scale();  // [M, N, H, T, T + 1]
    if (video.has("bias")) logits = logits + video["bias"].unsqueeze(1);
    const Tensor absent = torch::constant_pad_nd(video["mask"].logical_not(), {1, 0}, false);
    logits = logits.masked_fill(absent.view({m, 1, 1, 1, t + 1}),
                                -std::numeric_limits<double>::infinity());
    const Tensor mixed = logits.softmax(-1).matmul(v).transpose(2, 3).flatten(3);  // [M, N, T, D]
    const Tensor h = video["f"].unsqueeze(1) + attention_->out(mixed);
    const Tensor w = weights(text, video).transpose(0, 1);  // [M, N, T]
    return tail(w.unsqueeze(2).matmul(h).squeeze(2), text["text"]);
  }

  int64_t naive_bytes() const override {
    return (6 * context_.width + 3 * options_.heads) * (context_.frames + 1) *
           int64_t{sizeof(float)};
  }

 private:
  // The pooled vectors [M, N, D], from w [M, N, T] and w alpha [M, H, N, T].
  Tensor projected_pairs(const Tensor& w, const Tensor& taken, const TextState& text,
                         const VideoState& video) {
    const Tensor mixed = (w.unsqueeze(1) - taken).matmul(video["o"]) +
                         taken.sum(-1, /*keepdim=*/true) * text["v"].transpose(0, 1);
    return w.matmul(video["f"]) + attention_->out(mixed.transpose(1, 2).flatten(2));
  }

  Tensor of_projected(const Tensor& w, const Tensor& taken, const TextState& text,
                      const VideoState& video) {
    std::vector<Tensor> vectors = projected(video["o"]);  // H of [M, T, D]
    vectors.insert(vectors.begin(), video["f"] + attention_->out->bias);
    const Tensor left = (w.unsqueeze(1) - taken).transpose(1, 2).flatten(2);          // [M, N, H T]
    const Tensor own = torch::cat(projected(text["v"].unsqueeze(2)), 1);              // [N, H, D]
    const Tensor from_text = taken.sum(-1).permute({2, 0, 1}).contiguous().bmm(own);  // [N, M, D]
    return torch::baddbmm(from_text.transpose(0, 1), torch::cat({w, left}, 2),
                          torch::cat(vectors, 1));
  }

  // w [N, M, T]
  Tensor weights(const TextState& text, const VideoState& video) const {
    return relevance(text["q"], video["k"], video, options_.topk).softmax(-1);
  }
};

}  // namespace

HeadEntry joint_head() {
  return head_entry<Joint, JointOptions>("joint",
                                         "joint text-frame cross-modal attention (the paper's)");
}

}  // namespace vtr::models
