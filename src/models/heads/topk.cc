#include "heads/heads.h"

#include <torch/torch.h>

namespace vtr::models {
namespace {

namespace F = torch::nn::functional;

struct Options {
  int64_t topk = 3;
  void fields(auto& f) {
    f("topk", topk, "K, the frames kept for a text; 0: all", config::at_least(0));
  }
};

// The mean of the K frames nearest to the text, without parameters: X-Pool's top-k baseline (Gorti
// et al., CVPR 2022) and the K of the paper's Table 4. Only inner products of frames are needed:
// with the frames' Gram matrix G and w = 1 at the chosen frames, sim = (w . r) / sqrt(w^T G w).
class TopK final : public Head {
 public:
  TopK(const Options& options, const HeadContext& context) : options_(options), context_(context) {
    check_topk(options.topk, context);
  }

  TextState text(const TextFeatures& features) override {
    return State::Items{{"text", F::normalize(features.pooled, F::NormalizeFuncOptions().dim(-1))}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor frames = F::normalize(features.frames, F::NormalizeFuncOptions().dim(-1));
    return State::Items{{"frames", frames},                               // [M, T, D]
                        {"gram", frames.matmul(frames.transpose(1, 2))},  // [M, T, T]
                        {"mask", features.mask}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor& frames = video["frames"];
    const int64_t m = frames.size(0), t = frames.size(1);
    const Tensor relevance = text["text"].matmul(frames.flatten(0, 1).t()).view({-1, m, t});
    const Tensor kept = select_topk(relevance, video["mask"], options_.topk);
    const Tensor w = kept.isfinite().to(relevance.scalar_type());  // [N, M, T]
    const Tensor dot = (w * relevance).sum(-1);
    const Tensor by_video = w.transpose(0, 1);  // [M, N, T]
    const Tensor square = (by_video.matmul(video["gram"]) * by_video).sum(-1).t();
    return dot * (square + 1e-12).rsqrt();
  }

  int64_t pair_bytes() const override { return 6 * context_.frames * int64_t{sizeof(float)}; }

 private:
  Options options_;
  HeadContext context_;
};

}  // namespace

HeadEntry topk_head() {
  return head_entry<TopK, Options>("topk", "mean of the K frames nearest to the text");
}

}  // namespace vtr::models
