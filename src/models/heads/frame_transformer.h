// CLIP4Clip's seqTransf, for the heads that mix a video's frames with it: x = frames + positions
// through pre-LN blocks, and the frames added again. Luo et al., Neurocomputing 508, 2022.
#pragma once

#include "clip/blocks.h"
#include "heads/placed_attention.h"

#include "vtr/models/head.h"

namespace vtr::models {

struct FrameTransformerOptions : TemporalOptions {
  int64_t layers = 4;
  int64_t heads = 8;
  FrameTransformerOptions() { temporal = "learned"; }
  void fields(auto& f) {
    TemporalOptions::fields(f);
    f("layers", layers, "blocks of the frame transformer", config::at_least(1));
    f("heads", heads, "its attention heads", config::at_least(1));
  }
};

// CLIP's blocks over sequences with padding, as CLIP4Clip has them: the LayerNorms' epsilon is
// 1e-12 and a padded key's logit is lowered by 1e6.
class CrossBlocks final : public torch::nn::Module {
 public:
  CrossBlocks(const FrameTransformerOptions& options, int64_t width);
  // x [M, L, D], mask [M, L] bool, positions [M or 1, L] -> [M, L, D]. Of `temporal`, what acts
  // inside the attention.
  Tensor forward(Tensor x, const Tensor& mask, TemporalEncoding& temporal, const Tensor& positions);
  // Bytes at the peak of `forward`, without gradients, for one sequence of so many tokens.
  int64_t bytes(int64_t length) const;

 private:
  std::vector<std::shared_ptr<ClipBlock>> blocks_;
  int64_t width_, heads_;
};

// CLIP4Clip's LayerNorm, and its start of a linear layer: N(0, 0.02), the bias 0.
torch::nn::LayerNorm cross_norm(int64_t width);
void start_linear(ClipLinear& linear);

// CLIP4Clip's start: the first layers and position vectors of CLIP's text tower, found by OpenAI's
// names. Where there is none or its width is another, blocks and table keep their random start.
void start_from_text_tower(CrossBlocks& blocks, TemporalEncoding& temporal, Encoders& encoders);

// No module of its own: CLIP4Clip's names put its parts at the root of the model, so it registers
// `transformerClip` and `temporal` with its owner.
class FrameTransformer {
 public:
  // The learned table has context.frames rows; a head that runs it over more tokens than frames
  // gives their number there.
  FrameTransformer(torch::nn::Module& owner, const FrameTransformerOptions& options,
                   const HeadContext& context);
  // frames [M, T, D], mask [M, T] bool, positions [M or 1, T] (frame_positions) -> [M, T, D]:
  // frames + blocks(frames + P).
  Tensor forward(const Tensor& frames, const Tensor& mask, const Tensor& positions);
  void start_from(Encoders& encoders) { start_from_text_tower(*blocks_, *temporal_, encoders); }
  // CLIP4Clip's name to ours.
  static std::string name_here(const std::string& name);

 private:
  std::shared_ptr<CrossBlocks> blocks_;
  std::shared_ptr<TemporalEncoding> temporal_;
};

}  // namespace vtr::models
