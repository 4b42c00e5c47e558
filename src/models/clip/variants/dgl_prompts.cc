#include "clip/variants/dgl_prompts.h"

#include "clip/blocks.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace vtr::models {
namespace {

// Prompts are new in every block of both towers (the authors' towers have equally many).
int64_t layers_of(const ClipOptions& options) {
  return std::max(options.vision_layers, options.text_layers);
}

// Prompts behind a text's words come after its end token, where causal attention hides them from
// everything that is used: they are kept for the authors' names and for the transformer, whose
// other prompts see them, but never put behind a text.
class TransformerPrompts final : public PromptSource {
 public:
  TransformerPrompts(torch::nn::Module& owner, const DglOptions& options)
      : options_(options),
        length_(2 * options.text_prompts + options.frame_prompts * options.frames),
        layers_(layers_of(options)) {
    const int64_t width = options.vision_width;
    const auto embedding =
        owner.register_module("unified_prompt_embedding", std::make_shared<torch::nn::Module>());
    embedding_ = embedding->register_parameter("weight", at::empty({length_, layers_ * width}));
    transformer_ = owner.register_module(
        "PromptTransformer",
        std::make_shared<ClipTransformer>(
            ClipTowerOptions{width, 1, options.vision_tower().heads, ClipActivation::quick_gelu}));
    mlp_ = owner.register_module(
        "unified_prompt_mlp",
        std::make_shared<ClipMlp>(ClipMlp::Sizes{width, 2 * width, options.text_width},
                                  ClipActivation::quick_gelu));
  }

  void reset() override {
    embedding_.normal_();
    transformer_->reset();
    mlp_->reset();
  }

  Prompts prompts() override {
    const int64_t width = options_.vision_width, behind = 2 * options_.text_prompts;
    const Tensor rows = embedding_.view({length_, layers_, width}).transpose(0, 1);
    const Tensor x = transformer_->forward(rows.reshape({-1, width}), length_, /*causal=*/false)
                         .view({layers_, length_, width});
    return {mlp_->forward(x.narrow(1, 0, options_.text_prompts)),
            x.narrow(1, behind, length_ - behind)
                .reshape({layers_, options_.frames, options_.frame_prompts, width})};
  }

 private:
  DglOptions options_;
  int64_t length_, layers_;
  Tensor embedding_;  // [length, layers * W]
  std::shared_ptr<ClipTransformer> transformer_;
  std::shared_ptr<ClipMlp> mlp_;
};

class LinearPrompts final : public PromptSource {
 public:
  LinearPrompts(torch::nn::Module& owner, const DglOptions& options)
      : options_(options),
        embedding_(owner.register_parameter(
            "visual_prompt_embedding",
            at::empty({1, options.frame_prompts, layers_of(options) * options.vision_width}))),
        before_(owner.register_module(
            "prefix_text_prompt_proj_layer",
            std::make_shared<ClipLinear>(options.vision_width, options.text_width))),
        behind_(owner.register_module(
            "postfix_text_prompt_proj_layer",
            std::make_shared<ClipLinear>(options.vision_width, options.text_width))) {
    for (auto& parameter : behind_->parameters()) parameter.set_requires_grad(false);
  }

  void reset() override {
    embedding_.uniform_(-prompt_bound(options_), prompt_bound(options_));
    before_->reset();
    behind_->reset();
  }

  Prompts prompts() override {
    const Tensor rows =
        embedding_.view({options_.frame_prompts, -1, options_.vision_width}).transpose(0, 1);
    return {before_->forward(rows), rows.unsqueeze(1)};
  }

 private:
  DglOptions options_;
  Tensor embedding_;  // [1, n, layers * W]
  std::shared_ptr<ClipLinear> before_, behind_;
};

}  // namespace

void DglOptions::check(const std::string& path) const {
  ClipOptions::check(path);
  VTR_CHECK(generator != "linear" || text_prompts == frame_prompts,
            "{0}.text_prompts: {1}, but the linear generator makes one of every frame prompt "
            "({0}.frame_prompts={2})",
            path, text_prompts, frame_prompts);
}

std::unique_ptr<PromptSource> make_prompt_source(torch::nn::Module& owner,
                                                 const DglOptions& options) {
  if (options.generator == "linear") return std::make_unique<LinearPrompts>(owner, options);
  return std::make_unique<TransformerPrompts>(owner, options);
}

double prompt_bound(const ClipOptions& options) {
  return std::sqrt(6.0 /
                   static_cast<double>(3 * options.patch * options.patch + options.vision_width));
}

}  // namespace vtr::models
