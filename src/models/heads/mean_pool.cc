#include "heads/heads.h"
#include "heads/vector_head.h"

namespace vtr::models {
namespace {

struct MeanPoolOptions {
  bool normalize_frames = true;
  void fields(auto& f) {
    f("normalize_frames", normalize_frames,
      "every frame counts alike (CLIP4Clip); false: as its length (STAN)");
  }
};

// The mean of the frames, without parameters. CLIP4Clip's meanP: Luo et al., Neurocomputing 508,
// 2022; STAN's: Liu et al., CVPR 2023.
class MeanPool final : public VectorHead {
 public:
  MeanPool(const MeanPoolOptions& options, const HeadContext&) : options_(options) {}

 private:
  Tensor video_vector(const VideoFeatures& features) override {
    return options_.normalize_frames ? unit_frames_mean(features.frames, features.mask)
                                     : frames_mean(features.frames, features.mask);
  }

  MeanPoolOptions options_;
};

}  // namespace

HeadEntry mean_pool_head() {
  return head_entry<MeanPool, MeanPoolOptions>("mean_pool", "mean of the frames (CLIP4Clip meanP)");
}

}  // namespace vtr::models
