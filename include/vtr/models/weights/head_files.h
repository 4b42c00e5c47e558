// A head and features that come from files, for those who have their own encoders.
#pragma once

#include "vtr/models/head.h"
#include "vtr/models/weights/safetensors.h"

#include <string>

namespace vtr::models {

// The tensors a features file holds, checked: `pooled` [N, D], `tokens` [N, L, D], `text_mask`
// [N, L]; `frames` [M, T, D], `patches` [M, T, P, D], `frame_mask` [M, T], `times` [M, T]. Only
// `pooled` and `frames` must be there; a missing mask is all true. Floating tensors become float32.
// Throws Error naming the file and the tensor that is missing, of another shape or not finite.
TextFeatures text_features(const TensorMap& tensors, const std::string& what);
VideoFeatures video_features(const TensorMap& tensors, const std::string& what);

// Copies a head's weights out of tensors under our names or its authors' (Head::name_here), with
// any prefix ("pool_frames.", "head.", "module."); tensors that belong to nothing of the head are
// left out. A table of positions with more rows than the head has is cut to its first rows. Throws
// Error naming `what` and the tensors that are missing or have another shape.
void load_head(Head& head, const TensorMap& tensors, const std::string& what);

}  // namespace vtr::models
