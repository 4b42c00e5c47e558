#include "heads/heads.h"
#include "heads/vector_head.h"

namespace vtr::models {
namespace {

// The mean of the normalised frames, without parameters. CLIP4Clip's meanP: Luo et al.,
// Neurocomputing 508, 2022.
class MeanPool final : public VectorHead {
 public:
  MeanPool(const config::NoOptions&, const HeadContext&) {}

 private:
  Tensor video_vector(const VideoFeatures& features) override {
    return unit_frames_mean(features.frames, features.mask);
  }
};

}  // namespace

HeadEntry mean_pool_head() {
  return head_entry<MeanPool, config::NoOptions>("mean_pool",
                                                 "mean of the frames (CLIP4Clip meanP)");
}

}  // namespace vtr::models
