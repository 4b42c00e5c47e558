#include "heads/frame_transformer.h"
#include "heads/heads.h"
#include "heads/vector_head.h"

namespace vtr::models {
namespace {

// A transformer over the frames, added to them, then the mean. CLIP4Clip's seqTransf: Luo et al.,
// Neurocomputing 508, 2022.
class SeqTransf final : public VectorHead {
 public:
  SeqTransf(const FrameTransformerOptions& options, const HeadContext& context)
      : options_(options), transformer_(*this, options, context) {}

  void start_from(Encoders& encoders) override { transformer_.start_from(encoders); }
  std::string name_here(const std::string& name) const override {
    return FrameTransformer::name_here(name);
  }

 private:
  Tensor video_vector(const VideoFeatures& features) override {
    const Tensor mixed = transformer_.forward(features.frames, features.mask,
                                              frame_positions(features, options_.time_unit));
    return unit_frames_mean(mixed, features.mask);
  }

  FrameTransformerOptions options_;
  FrameTransformer transformer_;
};

}  // namespace

HeadEntry seq_transf_head() {
  return head_entry<SeqTransf, FrameTransformerOptions>(
      "seq_transf", "a transformer over the frames (CLIP4Clip seqTransf)");
}

}  // namespace vtr::models
