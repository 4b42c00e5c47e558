// Encoders as files for others.
#pragma once

#include <filesystem>

namespace vtr::models {

class Encoders;

// A TorchScript archive in OpenAI's naming with working encode_image, encode_text and forward:
// Python's torch.jit.load opens it, and so does open_weights. `half`: weights in float16 but the
// LayerNorms', as in OpenAI's own. Throws Error when the encoders are no CLIP, or one whose frames
// mix.
void export_torchscript(const Encoders& encoders, const std::filesystem::path& path, bool half);

// Safetensors in OpenAI's naming, of any CLIP or variant; what the shapes do not tell stands in the
// metadata.
void export_safetensors(const Encoders& encoders, const std::filesystem::path& path, bool half);

}  // namespace vtr::models
