#include "heads/heads.h"

#include <torch/types.h>

namespace vtr::models {
namespace {

// The frames weighted by their cosine with the text, without parameters: X-Pool's baselines (Gorti
// et al., CVPR 2022). Only inner products of frames are needed: with the frames' Gram matrix G and
// a text's weights w, sim = (w . r) / sqrt(w^T G w).
class WeightedFrames : public Head {
 public:
  explicit WeightedFrames(const HeadContext& context) : context_(context) {}

  TextState text(const TextFeatures& features) override {
    return State::Items{{"text", unit(features.pooled)}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor frames = unit(features.frames);
    return State::Items{{"frames", frames},                               // [M, T, D]
                        {"gram", frames.matmul(frames.transpose(1, 2))},  // [M, T, T]
                        {"mask", features.mask}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor r = frame_products(text["text"], video["frames"]);
    const Tensor w = weights(r, video["mask"]);
    const Tensor dot = (w * r).sum(-1);
    const Tensor by_video = w.transpose(0, 1);  // [M, N, T]
    const Tensor square = (by_video.matmul(video["gram"]) * by_video).sum(-1).t();
    return dot * (square + 1e-12).rsqrt();
  }

  Explanation explain(const TextState& text, const VideoState& video) override {
    const Tensor r = frame_products(text["text"], video["frames"]);
    const Tensor w = weights(r, video["mask"]);
    return {select_topk(r, video["mask"], /*topk=*/0), w / w.sum(-1, /*keepdim=*/true)};
  }

  int64_t pair_bytes() const override { return 6 * context_.frames * int64_t{sizeof(float)}; }

 protected:
  // w [N, M, T], of any length, zero where there is no frame, from the cosines r [N, M, T].
  virtual Tensor weights(const Tensor& relevance, const Tensor& mask) const = 0;

 private:
  HeadContext context_;
};

struct TopKOptions {
  int64_t topk = 3;
  void fields(auto& f) {
    f("topk", topk, "K, the frames kept for a text; 0: all", config::at_least(0));
  }
};

// The mean of the K frames nearest to the text; also the K of the paper's Table 4.
class TopK final : public WeightedFrames {
 public:
  TopK(const TopKOptions& options, const HeadContext& context)
      : WeightedFrames(context), topk_(options.topk) {
    check_topk(topk_, context);
  }

 private:
  Tensor weights(const Tensor& relevance, const Tensor& mask) const override {
    return select_topk(relevance, mask, topk_).isfinite().to(relevance.scalar_type());
  }

  int64_t topk_;
};

struct AttentionOptions {
  double temperature = 0.01;
  void fields(auto& f) {
    f("temperature", temperature, "of the softmax over the frames", config::at_least(1e-4));
  }
};

// The mean of the frames under a softmax.
class Attention final : public WeightedFrames {
 public:
  Attention(const AttentionOptions& options, const HeadContext& context)
      : WeightedFrames(context), temperature_(options.temperature) {}

 private:
  Tensor weights(const Tensor& relevance, const Tensor& mask) const override {
    return (select_topk(relevance, mask, /*topk=*/0) / temperature_).softmax(-1);
  }

  double temperature_;
};

}  // namespace

HeadEntry topk_head() {
  return head_entry<TopK, TopKOptions>("topk", "mean of the K frames nearest to the text");
}

HeadEntry attention_head() {
  return head_entry<Attention, AttentionOptions>(
      "attention", "mean of the frames under a softmax of their cosines (X-Pool's baseline)");
}

}  // namespace vtr::models
