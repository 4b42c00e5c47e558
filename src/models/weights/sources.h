// The kinds of weights that open_weights tells apart.
#pragma once

#include "vtr/models/weights/weights.h"

namespace vtr::models {

Weights open_torchscript(const std::filesystem::path& path);
Weights open_hugging_face(const std::filesystem::path& folder);
Weights open_own_safetensors(const std::filesystem::path& path);

// The tensors of transformers' CLIPModel in OpenAI's names: projections joined, matrices turned.
// Names that it does not know stay.
TensorMap from_hugging_face(const TensorMap& tensors, const std::string& what);

// Info and tensors of a CLIP in OpenAI's names; `stated` are options that the file states beyond
// its tensors' shapes, which win over what a CLIP has by default (64 wide heads, QuickGELU).
Weights clip_weights(std::string kind, TensorMap tensors, const config::Node& stated,
                     const std::string& what);

}  // namespace vtr::models
