#include "weights/torchscript_archive.h"

#include "weights/sources.h"

#include "vtr/core/error.h"

#include <torch/script.h>

namespace vtr::models {
namespace fs = std::filesystem;
namespace {

// The first line, without the stack that c10 appends.
std::string reason(const std::exception& error) {
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = c10_error ? c10_error->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

bool has(const TensorMap& tensors, const std::string& name) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& i) { return i.first == name; });
}

Weights black_box(const torch::jit::Module& module, const TensorMap& tensors,
                  const fs::path& path) {
  const bool towers = module.find_method("encode_image") && module.find_method("encode_text");
  VTR_CHECK(towers || module.find_method("forward"),
            "{}: a TorchScript module without encode_image and encode_text, or forward",
            path.string());
  Weights weights;
  weights.info.kind = "TorchScript module";
  weights.info.encoders = "torchscript";
  weights.info.tensors = static_cast<int64_t>(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    weights.info.dtype = toString(tensor.scalar_type());
    weights.info.parameters += tensor.numel();
    weights.info.bytes += static_cast<int64_t>(tensor.nbytes());
  }
  weights.info.options = config::Node(YAML::NodeType::Map);
  return weights;
}

}  // namespace

torch::jit::Module load_archive(const fs::path& path, std::string* options) {
  VTR_CHECK(fs::is_regular_file(path), "{}: no such file", path.string());
  torch::jit::ExtraFilesMap extra{{kArchiveOptions, ""}};
  try {
    auto module = torch::jit::load(path.string(), at::kCPU, extra);
    if (options != nullptr) *options = extra[kArchiveOptions];
    return module;
  } catch (const std::exception& error) {
    const std::string why = reason(error);
    const bool no_code = why.find("constants.pkl") != std::string::npos;
    throw Error(
        fmt::format("{}: not a readable TorchScript archive: {}{}", path.string(), why,
                    no_code ? " (no code inside: a checkpoint of torch.save? convert it)" : ""));
  }
}

Weights open_torchscript(const fs::path& path) {
  std::string options;
  const torch::jit::Module module = load_archive(path, &options);
  TensorMap tensors;
  for (const auto& item : module.named_parameters()) {
    tensors.emplace_back(item.name, item.value.detach());
  }
  VTR_CHECK(!has(tensors, "visual.attnpool.positional_embedding"),
            "{}: a CLIP with a ResNet image tower; only ViT towers can be read", path.string());
  if (!has(tensors, "visual.conv1.weight") || !has(tensors, "text_projection")) {
    return black_box(module, tensors, path);
  }
  config::Node stated(YAML::NodeType::Map);
  try {
    if (!options.empty()) stated = YAML::Load(options);
  } catch (const YAML::Exception& error) {
    throw Error(
        fmt::format("{}: its {} cannot be read: {}", path.string(), kArchiveOptions, error.what()));
  }
  return clip_weights("OpenAI CLIP archive", std::move(tensors), stated, path.string());
}

}  // namespace vtr::models
