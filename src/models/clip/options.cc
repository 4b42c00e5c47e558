#include "clip/options.h"

#include "vtr/core/error.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace vtr::models {
namespace {

void check_heads(const std::string& path, const char* tower, int64_t width, int64_t heads) {
  if (heads > 0 && width % heads == 0) return;
  throw Error(
      fmt::format("{}.{}_heads: {} heads do not divide the width {}", path, tower, heads, width));
}

// The tensors by name, with what an architecture needs of them.
class Shapes {
 public:
  Shapes(const TensorMap& tensors, std::string what) : what_(std::move(what)) {
    for (const auto& [name, tensor] : tensors) shapes_[name] = tensor.sizes().vec();
  }
  const std::vector<int64_t>& at(const std::string& name, size_t dims) const {
    const auto found = shapes_.find(name);
    VTR_CHECK(found != shapes_.end(), "{}: no tensor '{}': not a CLIP with a ViT image tower",
              what_, name);
    VTR_CHECK(found->second.size() == dims, "{}: '{}' has the shape [{}], {} dimensions are needed",
              what_, name, fmt::join(found->second, ", "), dims);
    VTR_CHECK(std::ranges::all_of(found->second, [](int64_t n) { return n > 0; }),
              "{}: '{}' is empty", what_, name);
    return found->second;
  }
  bool has(const std::string& name) const { return shapes_.contains(name); }
  int64_t layers(const std::string& prefix) const {
    int64_t n = 0;
    while (shapes_.contains(fmt::format("{}.resblocks.{}.ln_1.weight", prefix, n))) ++n;
    VTR_CHECK(n > 0,
              "{}: no tensor '{}.resblocks.0.ln_1.weight': not a CLIP with a ViT image tower",
              what_, prefix);
    return n;
  }

 private:
  std::string what_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

}  // namespace

void ClipOptions::check(const std::string& path) const {
  if (image_resolution % patch != 0) {
    throw Error(fmt::format("{}.patch: {} does not divide the resolution {}", path, patch,
                            image_resolution));
  }
  check_heads(path, "vision", vision_width, vision_tower().heads);
  check_heads(path, "text", text_width, text_tower().heads);
}

ClipTowerOptions ClipOptions::vision_tower() const {
  return {vision_width, vision_layers, vision_heads ? vision_heads : vision_width / 64,
          activation == "gelu" ? ClipActivation::gelu : ClipActivation::quick_gelu};
}

ClipTowerOptions ClipOptions::text_tower() const {
  return {text_width, text_layers, text_heads ? text_heads : text_width / 64,
          activation == "gelu" ? ClipActivation::gelu : ClipActivation::quick_gelu};
}

config::Node clip_sizes(const TensorMap& tensors, const std::string& what) {
  const Shapes shapes(tensors, what);
  const auto& conv = shapes.at("visual.conv1.weight", 4);          // [W, 3, patch, patch]
  const auto& grid = shapes.at("visual.positional_embedding", 2);  // [1 + side * side, W]
  const auto& words = shapes.at("token_embedding.weight", 2);      // [vocab, W]
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(grid[0] - 1))));
  VTR_CHECK(grid[0] > 1 && side * side == grid[0] - 1,
            "{}: 'visual.positional_embedding' has the shape [{}]: {} patches are no square grid",
            what, fmt::join(grid, ", "), grid[0] - 1);
  config::Node sizes;
  const auto set = [&](const char* name, int64_t value) { sizes[name] = std::to_string(value); };
  set("embed_dim", shapes.at("text_projection", 2)[1]);
  set("image_resolution", conv[2] * side);
  set("patch", conv[2]);
  set("vision_width", conv[0]);
  set("vision_layers", shapes.layers("visual.transformer"));
  set("context", shapes.at("positional_embedding", 2)[0]);
  set("vocab", words[0]);
  set("text_width", words[1]);
  set("text_layers", shapes.layers("transformer"));
  if (shapes.has("visual.conv2.weight")) sizes["linear_patch"] = "3d";
  return sizes;
}

config::Node merge_sizes(const config::Node& options, const config::Node& sizes,
                         const std::string& what) {
  auto merged = options.IsMap() ? YAML::Clone(options) : config::Node(YAML::NodeType::Map);
  for (const auto& item : sizes) {
    const auto name = item.first.as<std::string>();
    const auto value = item.second.as<std::string>();
    const config::Node given =
        options.IsMap() ? options[name] : config::Node(YAML::NodeType::Undefined);
    const bool open = !given.IsDefined() || (name.ends_with("_heads") && given.Scalar() == "0");
    if (!open && given.Scalar() != value) {
      throw Error(fmt::format("model.encoder.{}: {} is asked for, but {} has {}", name,
                              config::detail::inline_text(given), what, value));
    }
    merged[name] = value;
  }
  return merged;
}

}  // namespace vtr::models
