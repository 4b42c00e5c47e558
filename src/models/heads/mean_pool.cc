#include "heads/heads.h"

#include <torch/torch.h>

namespace vtr::models {
namespace {

namespace F = torch::nn::functional;

// The mean of the normalised frames, without parameters. CLIP4Clip's meanP: Luo et al.,
// Neurocomputing 508, 2022.
class MeanPool final : public Head {
 public:
  MeanPool(const config::NoOptions&, const HeadContext&) {}

  TextState text(const TextFeatures& features) override {
    return State::Items{{"text", F::normalize(features.pooled, F::NormalizeFuncOptions().dim(-1))}};
  }

  VideoState video(const VideoFeatures& features) override {
    const auto unit = F::NormalizeFuncOptions().dim(-1);
    const Tensor mask = features.mask.unsqueeze(-1).to(features.frames.scalar_type());  // [M, T, 1]
    const Tensor mean = (F::normalize(features.frames, unit) * mask).sum(1) / mask.sum(1);
    return State::Items{{"video", F::normalize(mean, unit)}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    return text["text"].matmul(video["video"].t());
  }

  int64_t pair_bytes() const override { return sizeof(float); }
};

}  // namespace

HeadEntry mean_pool_head() {
  return head_entry<MeanPool, config::NoOptions>("mean_pool",
                                                 "mean of the frames (CLIP4Clip meanP)");
}

}  // namespace vtr::models
