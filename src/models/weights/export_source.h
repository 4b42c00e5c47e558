// The TorchScript of a CLIP's modules, for an archive that computes by itself.
#pragma once

#include <string>

namespace torch::nn {
class Module;
}

namespace vtr::models {

// The methods of one module, whose children have theirs; "" for one that only holds others. Written
// after OpenAI's model.py: sequences first, [N, L, W], and a LayerNorm in float32 in a half model.
std::string export_source(const torch::nn::Module& module);

}  // namespace vtr::models
