#include "vtr/models/weights/weights.h"

#include "clip/options.h"
#include "weights/sources.h"

#include "vtr/core/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>

namespace vtr::models {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kZip = "PK\x03\x04";

std::string first_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  VTR_CHECK(in, "{}: cannot be read", path.string());
  std::string bytes(16, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

// Keeps what lies under the one prefix at which a CLIP is found ("", "clip.", "encoders."), without
// it.
TensorMap without_prefix(TensorMap tensors, const std::string& what) {
  constexpr std::string_view kMark = "visual.conv1.weight";
  const auto marked = std::find_if(tensors.begin(), tensors.end(),
                                   [&](const auto& item) { return item.first.ends_with(kMark); });
  VTR_CHECK(
      marked != tensors.end(),
      "{}: no tensor '{}' under any prefix: not a CLIP's weights in OpenAI's names (of a Hugging "
      "Face model, give the folder)",
      what, kMark);
  const std::string prefix = marked->first.substr(0, marked->first.size() - kMark.size());
  TensorMap result;
  for (auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix))
      result.emplace_back(name.substr(prefix.size()), std::move(tensor));
  }
  return result;
}

// The dtype of most bytes.
std::string main_dtype(const TensorMap& tensors) {
  std::map<std::string, size_t> bytes;
  for (const auto& [name, tensor] : tensors)
    bytes[toString(tensor.scalar_type())] += tensor.nbytes();
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? "" : most->first;
}

}  // namespace

Weights clip_weights(std::string kind, TensorMap tensors, const config::Node& stated,
                     const std::string& what) {
  Weights weights;
  weights.info.kind = std::move(kind);
  weights.info.encoders = "clip";
  weights.info.options = clip_sizes(tensors, what);
  for (const auto& item : stated) weights.info.options[item.first.as<std::string>()] = item.second;
  weights.info.dtype = main_dtype(tensors);
  weights.info.tensors = static_cast<int64_t>(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    weights.info.parameters += tensor.numel();
    weights.info.bytes += static_cast<int64_t>(tensor.nbytes());
  }
  weights.tensors = std::move(tensors);
  return weights;
}

Weights open_own_safetensors(const fs::path& path) {
  std::map<std::string, std::string> metadata;
  TensorMap tensors = without_prefix(load_safetensors(path, &metadata), path.string());
  config::Node stated(YAML::NodeType::Map);
  for (const char* name : {"vision_heads", "text_heads", "activation"}) {
    if (metadata.contains(name)) stated[name] = metadata.at(name);
  }
  return clip_weights("safetensors", std::move(tensors), stated, path.string());
}

Weights open_weights(const fs::path& path) {
  VTR_CHECK(fs::exists(path), "{}: no such weights", path.string());
  if (fs::is_directory(path)) return open_hugging_face(path);
  const std::string head = first_bytes(path);
  if (head.starts_with(kZip)) return open_torchscript(path);
  if (head.size() > 8 && head[8] == '{') return open_own_safetensors(path);
  throw Error(
      fmt::format("{}: neither a TorchScript archive nor safetensors{}", path.string(),
                  head.starts_with("\x80\x02") ? " (a checkpoint of torch.save: convert it)" : ""));
}

}  // namespace vtr::models
