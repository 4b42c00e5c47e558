// Where DGL's prompts come from: one source for the captions' and the frames', so that the two
// encoders share a space. The modules are registered at the encoders' root, where the authors have
// them.
#pragma once

#include "clip/options.h"

#include "vtr/core/tensor.h"

#include <torch/nn/module.h>

#include <memory>

namespace vtr::models {

struct DglOptions : ClipOptions {
  std::string generator = "transformer";
  int64_t frames = 12;
  int64_t text_prompts = 4;
  int64_t frame_prompts = 4;
  int64_t global_prompts = 4;
  void fields(auto& f) {
    using config::at_least;
    ClipOptions::fields(f);
    f("generator", generator,
      "makes the prompts of texts and frames: a block over all of them, or "
      "linear layers from the frames' to the texts'",
      config::one_of({"transformer", "linear"}));
    f("frames", frames, "most frames of a video, for which the transformer has prompts",
      at_least(1));
    f("text_prompts", text_prompts, "prompts before a text's words (and as many behind)",
      at_least(1));
    f("frame_prompts", frame_prompts, "prompts of every frame", at_least(1));
    f("global_prompts", global_prompts, "prompts that see the whole video", at_least(1));
  }
  void check(const std::string& path) const;
};

struct Prompts {
  Tensor text;   // [layers, n, text width], before the words
  Tensor video;  // [layers, T or 1, n, vision width], of every frame
};

class PromptSource {
 public:
  virtual ~PromptSource() = default;
  virtual void reset() = 0;
  virtual Prompts prompts() = 0;
};

// Registers its parameters with `owner`.
std::unique_ptr<PromptSource> make_prompt_source(torch::nn::Module& owner,
                                                 const DglOptions& options);

// The bound of the uniform distribution that prompts of the image tower start from.
double prompt_bound(const ClipOptions& options);

}  // namespace vtr::models
