// TS2-Net's patch shift: some tokens of a frame are exchanged for those of its neighbours before an
// attention. Liu et al., "TS2-Net: Token Shift and Selection Transformer for Text-Video
// Retrieval", ECCV 2022.
#pragma once

#include "vtr/core/tensor.h"

namespace vtr::models {

// Where each token comes from, 0 its own frame, -1 the frame before, 1 the frame after: mask [B, T]
// of the frames that give -> [B, T, length] int64. With fold = length / 7 (the authors' n_div) the
// tokens 1, 1 + fold, ... are of the frame before and 4, 4 + fold, ... of the frame after (their
// offset of 3, whatever the fold); a token that is both is of the frame after where there is one.
Tensor shift_steps(const Tensor& mask, int64_t length);

}  // namespace vtr::models
