#include "heads/attention.h"
#include "heads/factored/factored.h"
#include "heads/heads.h"

#include <torch/types.h>

#include <limits>

namespace vtr::models {
namespace {

// The text attends over the frames, which do not see each other. With temporal `none` this is
// X-Pool: Gorti et al., CVPR 2022.
class Cross : public AttentionHead {
 public:
  using AttentionHead::AttentionHead;

  TextState text(const TextFeatures& features) override {
    return State::Items{{"text", features.pooled}, {"q", attention_->q(norm1_(features.pooled))}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor f = placed_frames(features), at = positions(features);
    State::Items state{{"f", f}, {"mask", features.mask}};  // [M, T, D]
    if (temporal_->rotates()) {
      state.emplace_back("k", temporal_->rotated(split(attention_->k(f)), at).flatten(2));
    }
    if (const Tensor bias = temporal_->bias(at); bias.defined()) {
      const Tensor row = bias.select(2, 0).slice(2, 1);  // [M or 1, H, T]
      state.emplace_back("from_text", row.expand({f.size(0), -1, -1}));
    }
    return state;
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    if (!projects_videos(text.size())) return naive(text, video);
    // The weights of an attention head sum to one.
    const Tensor bias = attention_->out->bias / static_cast<double>(options_.heads);
    const Tensor vectors = torch::cat(projected(values(video)), 1) + bias;  // [M, H T, D]
    return tail(attention(text, video).transpose(1, 2).flatten(2).bmm(vectors), text["text"]);
  }

  Tensor naive(const TextState& text, const VideoState& video) override {
    const Tensor mixed = attention(text, video).matmul(values(video));  // [M, H, N, d]
    return tail(attention_->out(mixed.transpose(1, 2).flatten(2)), text["text"]);
  }

  Explanation explain(const TextState& text, const VideoState& video) override {
    return {relevance(text["q"], keys(video), video, /*topk=*/0),
            attention(text, video).mean(1).transpose(0, 1)};
  }

  std::unique_ptr<Factored> factored() override { return factor_cross(parts()); }

  int64_t pair_bytes() const override {
    return ((7 + options_.heads / 2) * context_.width + 4 * options_.heads * context_.frames) *
           int64_t{sizeof(float)};
  }

  int64_t naive_bytes() const override {
    return (6 * context_.width + 4 * options_.heads * context_.frames) * int64_t{sizeof(float)};
  }

 private:
  Tensor values(const VideoState& video) {  // [M, H, T, d]
    return split(attention_->v(video["f"])).transpose(1, 2);
  }

  Tensor keys(const VideoState& video) {  // [M, T, D]
    return video.has("k") ? video["k"] : attention_->k(video["f"]);
  }

  // a [M, H, N, T], zero where a frame is not kept
  Tensor attention(const TextState& text, const VideoState& video) {
    const Tensor all = keys(video);
    const Tensor left = relevance(text["q"], all, video, options_.topk).isinf();  // [N, M, T]
    const Tensor q = split(text["q"]).transpose(0, 1).unsqueeze(0);               // [1, H, N, d]
    const Tensor k = split(all).permute({0, 2, 3, 1});                            // [M, H, d, T]
    Tensor logits = q.matmul(k) * head_scale();                                   // [M, H, N, T]
    if (video.has("from_text")) logits = logits + video["from_text"].unsqueeze(2);
    return logits
        .masked_fill(left.transpose(0, 1).unsqueeze(1), -std::numeric_limits<double>::infinity())
        .softmax(-1);
  }
};

struct XPoolOptions {
  int64_t heads = 1;
  double dropout = 0.3;
  void fields(auto& f) {
    f("heads", heads, "attention heads", config::at_least(1));
    f("dropout", dropout, "dropout of the last linear layer", config::between(0, 0.99));
  }
};

// X-Pool as it is published (Gorti et al., CVPR 2022): `cross` with its own start and nothing to
// choose.
class XPool final : public Cross {
 public:
  XPool(const XPoolOptions& options, const HeadContext& context)
      : Cross(attention_options(options), context) {}

 private:
  static AttentionOptions attention_options(const XPoolOptions& options) {
    AttentionOptions result;
    result.heads = options.heads;
    result.dropout = options.dropout;
    return result;
  }
};

}  // namespace

HeadEntry cross_head() {
  return head_entry<Cross, AttentionOptions>(
      "cross", "text-conditioned pooling of the frames, with temporal encoding and K");
}

HeadEntry xpool_head() {
  return head_entry<XPool, XPoolOptions>("xpool", "X-Pool: text-conditioned pooling of the frames");
}

}  // namespace vtr::models
