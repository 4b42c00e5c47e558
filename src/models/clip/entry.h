// What CLIP and its variants have in common as entries of the encoders' table: sizes from a CLIP's
// weights, those weights into CLIP's part, and the added parameters from the same file where it has
// them (a run's own), else at their start.
#pragma once

#include "clip/clip.h"

#include <functional>
#include <memory>
#include <string>

namespace vtr::models {

constexpr const char* kClipPath = "model.encoder";

using ClipBuilder = std::function<std::shared_ptr<Clip>(const config::Node& options)>;

// `options` with the sizes of the weights at `path`, if there is one.
config::Node with_clip_sizes(const config::Node& options, const std::string& path);
std::shared_ptr<Encoders> make_clip(const ClipBuilder& build, const config::Node& options,
                                    const std::string& path);

// `Options` is ClipOptions or derived from it.
template <class C, class Options>
EncoderEntry clip_entry(std::string name, std::string summary) {
  const auto infer = [](const config::Node& node, const std::string& path) {
    auto options = config::read<Options>(with_clip_sizes(node, path), kClipPath);
    options.vision_heads = options.vision_tower().heads;
    options.text_heads = options.text_tower().heads;
    return config::write(options);
  };
  const auto make = [](const config::Node& node, const std::string& path) {
    const auto build = [](const config::Node& options) {
      return std::make_shared<C>(config::read<Options>(options, kClipPath));
    };
    return make_clip(build, node, path);
  };
  return {std::move(name), std::move(summary), config::schema<Options>(), infer, make};
}

}  // namespace vtr::models
