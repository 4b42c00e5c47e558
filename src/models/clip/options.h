// The sizes of a CLIP with a ViT image tower.
#pragma once

#include "vtr/config/options.h"
#include "vtr/models/weights/safetensors.h"

#include <string>

namespace vtr::models {

enum class ClipActivation { quick_gelu, gelu };

struct ClipTowerOptions {
  int64_t width, layers, heads;
  ClipActivation activation;
};

// The defaults are ViT-B/32's.
struct ClipOptions {
  int64_t embed_dim = 512;
  int64_t image_resolution = 224;
  int64_t patch = 32;
  int64_t vision_width = 768;
  int64_t vision_layers = 12;
  int64_t vision_heads = 0;
  int64_t context = 77;
  int64_t vocab = 49408;
  int64_t text_width = 512;
  int64_t text_heads = 0;
  int64_t text_layers = 12;
  std::string activation = "quick_gelu";
  std::string linear_patch = "2d";
  bool see_padding = false;

  void fields(auto& f) {
    using config::at_least;
    f("embed_dim", embed_dim, "width of the joint space", at_least(1));
    f("image_resolution", image_resolution, "pixels of a frame's side", at_least(1));
    f("patch", patch, "pixels of a patch's side", at_least(1));
    f("vision_width", vision_width, "width of the image tower", at_least(1));
    f("vision_layers", vision_layers, "blocks of the image tower", at_least(1));
    f("vision_heads", vision_heads, "its attention heads; 0: width / 64", at_least(0));
    f("context", context, "most tokens of a text", at_least(2));
    f("vocab", vocab, "token ids", at_least(1));
    f("text_width", text_width, "width of the text tower", at_least(1));
    f("text_heads", text_heads, "its attention heads; 0: width / 64", at_least(0));
    f("text_layers", text_layers, "blocks of the text tower", at_least(1));
    f("activation", activation, "of the MLPs; OpenAI's models have quick_gelu",
      config::one_of({"quick_gelu", "gelu"}));
    f("linear_patch", linear_patch, "3d: patches are embedded with those of the frames around",
      config::one_of({"2d", "3d"}));
    f("see_padding", see_padding,
      "where frames mix, those after a video's end are mixed in as the authors' programs do");
  }
  void check(const std::string& path) const;

  ClipTowerOptions vision_tower() const;
  ClipTowerOptions text_tower() const;
};

// The options that the shapes of a CLIP's tensors tell (all but heads, activation and padding);
// `what` names the file in errors.
config::Node clip_sizes(const TensorMap& tensors, const std::string& what);

// `options` with what the file says filled in; throws Error where they contradict each other.
config::Node merge_sizes(const config::Node& options, const config::Node& sizes,
                         const std::string& what);

}  // namespace vtr::models
