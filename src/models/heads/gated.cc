#include "heads/gated_unit.h"
#include "heads/heads.h"
#include "heads/vector_head.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

struct Options {
  int64_t width = 0;
  std::string text = "pooled";
  std::string video = "max";
  bool batch_norm = false;
  void fields(auto& f) {
    f("width", width, "of the space of the gated units; 0: the encoders'", config::at_least(0));
    f("text", text, "pooled: the sentence; max_words: the largest of its words, projected",
      config::one_of({"pooled", "max_words"}));
    f("video", video, "the frames' largest or mean value", config::one_of({"max", "mean"}));
    f("batch_norm", batch_norm, "normalise the gates' logits over the batch (MoEE, CE)");
  }
};

// Pooled frames and text through gated embedding units. `max_words` without batch_norm is
// HowTo100M's model (Miech et al., ICCV 2019) over CLIP's features; with one expert, the frames,
// MoEE (arXiv 1804.02516) and Collaborative Experts (Liu et al., BMVC 2019) have this form too.
class Gated final : public VectorHead {
 public:
  Gated(const Options& options, const HeadContext& context) : options_(options) {
    const int64_t width = options.width > 0 ? options.width : context.width;
    if (max_words()) {
      const auto pooling = register_module("text_pooling", std::make_shared<torch::nn::Module>());
      words_ = pooling->register_module("fc", torch::nn::Linear(context.width, width));
    }
    const auto unit = [&](int64_t in) {
      return std::make_shared<GatedUnit>(in, width, options.batch_norm);
    };
    text_ = register_module("GU_text", unit(max_words() ? width : context.width));
    video_ = register_module("GU_video", unit(context.width));
  }

  Wanted wants() const override { return {.tokens = max_words()}; }

 private:
  bool max_words() const { return options_.text == "max_words"; }

  Tensor text_vector(const TextFeatures& features) override {
    if (!max_words()) return text_->forward(features.pooled);
    const Tensor words = words_(features.tokens).relu();  // [N, L, D']
    // Zero is the least that a word can give.
    const Tensor largest = words.masked_fill(features.mask.logical_not().unsqueeze(-1), 0).amax(1);
    return text_->forward(largest);
  }

  Tensor video_vector(const VideoFeatures& features) override {
    const auto pool = options_.video == "max" ? frames_max : frames_mean;
    return video_->forward(pool(features.frames, features.mask));
  }

  Options options_;
  torch::nn::Linear words_{nullptr};
  std::shared_ptr<GatedUnit> text_, video_;
};

}  // namespace

HeadEntry gated_head() {
  return head_entry<Gated, Options>(
      "gated", "gated embedding units on pooled frames and text (MoEE, CE, HowTo100M)");
}

}  // namespace vtr::models
