#include "vtr/models/weights/export.h"

#include "clip/clip.h"
#include "weights/export_source.h"
#include "weights/torchscript_archive.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/models/weights/safetensors.h"

#include <torch/csrc/jit/serialization/export.h>
#include <torch/script.h>

#include <typeinfo>

namespace vtr::models {
namespace fs = std::filesystem;
namespace {

const Clip& as_clip(const Encoders& encoders, const fs::path& path) {
  const auto* clip = dynamic_cast<const Clip*>(&encoders);
  VTR_CHECK(clip != nullptr,
            "{}: only CLIP encoders can be exported; a TorchScript module is its own "
            "archive",
            path.string());
  return *clip;
}

// What a CLIP's shapes do not tell.
std::map<std::string, std::string> unshaped(const ClipOptions& options) {
  return {{"vision_heads", std::to_string(options.vision_tower().heads)},
          {"text_heads", std::to_string(options.text_tower().heads)},
          {"activation", options.activation}};
}

Tensor stored(const Tensor& value, bool half) {
  return value.detach().to(at::kCPU, half ? at::kHalf : at::kFloat);
}

// The same tree with the same parameters, each module with the source of what it computes.
torch::jit::Module scripted(const torch::nn::Module& module, const std::string& type, bool half) {
  torch::jit::Module result(type);
  const bool norm = dynamic_cast<const torch::nn::LayerNormImpl*>(&module) != nullptr;
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    const bool keep = norm || item.key() == "logit_scale";  // float32, as in OpenAI's archives
    result.register_parameter(item.key(), stored(item.value(), half && !keep), /*is_buffer=*/false);
  }
  for (const auto& child : module.named_children()) {
    result.register_module(child.key(), scripted(*child.value(), type + "_" + child.key(), half));
  }
  const std::string source = export_source(module);
  if (!source.empty()) result.define(source);
  return result;
}

}  // namespace

void export_torchscript(const Encoders& encoders, const fs::path& path, bool half) {
  const Clip& clip = as_clip(encoders, path);
  VTR_CHECK(
      typeid(clip) == typeid(Clip) && clip.options().linear_patch == "2d",
      "{}: the frames of these encoders mix, and an archive encodes images: write safetensors",
      path.string());
  torch::jit::Module archive = scripted(clip, "__torch__.vtr.CLIP", half);
  const auto number = [&](const char* name, int64_t value) {
    archive.register_buffer(name, at::scalar_tensor(value, at::kLong));
  };
  number("input_resolution", clip.options().image_resolution);
  number("context_length", clip.options().context);
  number("vocab_size", clip.options().vocab);
  std::string options;
  for (const auto& [name, value] : unshaped(clip.options())) options += name + ": " + value + "\n";
  AsideFile file(path);
  const auto write = [&](const void* data, size_t size) {
    file.write(data, size);
    return size;
  };
  torch::jit::ExportModule(archive, write, {{kArchiveOptions, options}});
  file.commit();
}

void export_safetensors(const Encoders& encoders, const fs::path& path, bool half) {
  const Clip& clip = as_clip(encoders, path);
  TensorMap tensors;
  for (const auto& item : clip.named_parameters()) {
    tensors.emplace_back(item.key(), stored(item.value(), half && item.key() != "logit_scale"));
  }
  auto metadata = unshaped(clip.options());
  metadata["format"] = "pt";
  save_safetensors(path, tensors, metadata);
}

}  // namespace vtr::models
