// Many texts through the text tower, those of like length together, so that little of what is
// computed is padding.
#pragma once

#include "vtr/models/retriever.h"

namespace vtr::models {

// As Retriever::encode_text, on ids [N, L] and mask [N, L] on the CPU, without gradients. Tokens
// are given for all L, zero where there is none, unless `wanted.padding`, which every text then
// keeps.
TextFeatures encode_by_length(Retriever& model, const Tensor& ids, const Tensor& mask,
                              const std::string& precision, const Wanted& wanted);

}  // namespace vtr::models
