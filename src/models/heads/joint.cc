#include "heads/attention.h"
#include "heads/factored/factored.h"
#include "heads/factored/pairs.h"
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
      state.emplace_back("bias", bias.slice(2, 1).expand({f.size(0), -1, -1, -1}));
    }
    return state;
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor w = weights(text, video).transpose(0, 1);                 // [M, N, T]
    const Tensor ks = text["k"].permute({1, 2, 0});                        // [H, d, N]
    const Tensor vs = text["v"].transpose(0, 1);                           // [H, N, d]
    Tensor logits = video["q"].transpose(1, 2).matmul(ks) * head_scale();  // [M, H, T, N]
    if (video.has("bias")) logits = logits + video["bias"].select(3, 0).unsqueeze(-1);
    const Tensor alpha = (logits - video["lse"].unsqueeze(-1)).sigmoid().transpose(2, 3);
    const Tensor taken = w.unsqueeze(1) * alpha;  // [M, H, N, T]
    if (trains_factored(text.size())) return factored_score(w, taken, text, video);
    const Tensor mixed = (w.unsqueeze(1) - taken).matmul(video["o"]) +
                         taken.sum(-1, /*keepdim=*/true) * vs;  // [M, H, N, d]
    return tail(w.matmul(video["f"]) + attention_->out(mixed.transpose(1, 2).flatten(2)),
                text["text"]);
  }

  Tensor factored_score(const Tensor& w, const Tensor& taken, const TextState& text,
                        const VideoState& video) {
    const PairTail tail(parts());
    const Tensor of_frames = tail.images(video["f"] + attention_->out->bias);    // [M, T, 2 D]
    const Tensor attended = tail.head_images(video["o"]).flatten(1, 2);          // [M, H T, 2 D]
    const Tensor left = (w.unsqueeze(1) - taken).transpose(1, 2).flatten(2);     // [M, N, H T]
    const Tensor of_text = tail.head_images(text["v"].unsqueeze(2)).squeeze(2);  // [N, H, 2 D]
    return tail.score({torch::cat({w, left}, 2), torch::cat({of_frames, attended}, 1),
                       taken.sum(-1).permute({2, 0, 1}), of_text},
                      text["text"]);
  }

  Explanation explain(const TextState& text, const VideoState& video) override {
    return {relevance(text["q"], video["k"], video, /*topk=*/0), weights(text, video)};
  }

  int64_t pair_bytes() const override {
    return (8 * context_.width + 4 * options_.heads * context_.frames) * int64_t{sizeof(float)};
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
