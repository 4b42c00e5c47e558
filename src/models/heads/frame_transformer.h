// CLIP4Clip's seqTransf, for the heads that mix a video's frames with it: x = frames + positions
// through pre-LN blocks, and the frames added again. Luo et al., Neurocomputing 508, 2022.
#pragma once

#include "temporal/temporal.h"

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

}  // namespace vtr::models
