#include "heads/heads.h"
#include "heads/vector_head.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

namespace nn = torch::nn;

struct Options {
  std::string kind = "frozen";
  int64_t width = 0;
  void fields(auto& f) {
    f("kind", kind, "whose projections", config::one_of({"frozen", "all_in_one", "clover"}));
    f("width", width, "of the space projected into; 0: the authors' 256, 512 or 768",
      config::at_least(0));
  }
};

// Mean frame and text, each projected into a joint space: Frozen in Time (Bain et al., ICCV 2021),
// All-in-one (Wang et al., CVPR 2023) or Clover (Huang et al., CVPR 2023) over CLIP's features. All
// three train with the loss's temperature fixed at 0.05.
class Projection final : public VectorHead {
 public:
  Projection(const Options& options, const HeadContext& context) {
    if (options.kind == "frozen") frozen(context.width, options.width > 0 ? options.width : 256);
    if (options.kind == "all_in_one")
      all_in_one(context.width, options.width > 0 ? options.width : 512);
    if (options.kind == "clover") clover(context.width, options.width > 0 ? options.width : 768);
  }

 private:
  void frozen(int64_t in, int64_t out) {
    text_ = register_module("txt_proj", nn::Sequential(nn::ReLU(), nn::Linear(in, out)));
    video_ = register_module("vid_proj", nn::Sequential(nn::Linear(in, out)));
  }

  void all_in_one(int64_t in, int64_t out) {
    const torch::NoGradGuard no_grad;
    for (const auto& [name, part] : {std::pair{"txt_proj", &text_}, {"vid_proj", &video_}}) {
      const auto linear = register_module(name, nn::Linear(in, out));
      linear->weight.normal_(0, 0.02);
      linear->bias.zero_();
      *part = nn::Sequential(linear);
    }
  }

  void clover(int64_t in, int64_t out) {
    const auto norm = [](int64_t width) { return nn::LayerNorm(nn::LayerNormOptions({width})); };
    text_ = register_module("text_projector",
                            nn::Sequential(nn::Linear(in, in), nn::GELU(), nn::Linear(in, out)));
    video_ = register_module("img_projector",
                             nn::Sequential(nn::Linear(in, 2 * out), norm(2 * out), nn::GELU(),
                                            nn::Linear(2 * out, out), norm(out)));
    const torch::NoGradGuard no_grad;
    for (const auto& p : named_parameters()) {
      if (p.value().dim() == 2) nn::init::xavier_uniform_(p.value());
      if (p.key().ends_with(".bias")) p.value().zero_();
    }
  }

  Tensor text_vector(const TextFeatures& features) override {
    return text_->forward(features.pooled);
  }
  Tensor video_vector(const VideoFeatures& features) override {
    return video_->forward(frames_mean(features.frames, features.mask));
  }

  nn::Sequential text_{nullptr}, video_{nullptr};
};

}  // namespace

HeadEntry projection_head() {
  return head_entry<Projection, Options>(
      "projection", "text and mean frame projected (Frozen, All-in-one, Clover)");
}

}  // namespace vtr::models
