// A CLIP small enough for a test, and a batch for it.
#pragma once

#include "vtr/models/encoders.h"

#include <torch/types.h>

#include <memory>
#include <string>

namespace vtr::test {

inline config::Node tiny_clip_options() {
  return YAML::Load(
      "{embed_dim: 24, image_resolution: 32, patch: 8, vision_width: 48, vision_layers: 2, "
      "vision_heads: 3, context: 16, vocab: 100, text_width: 32, text_heads: 2, text_layers: 2}");
}

// Of a CLIP or a variant of one, as small.
inline config::Node tiny_encoder_options(const std::string& encoder) {
  config::Node options = tiny_clip_options();
  if (encoder == "stan") options["depth"] = 2;
  if (encoder == "centerclip") options["clusters"].push_back("1:2x9");
  return options;
}

// Every encoder of the table that is a CLIP: torchscript's is a file that says what it is.
inline std::vector<std::string> clip_names() {
  std::vector<std::string> names = models::encoders().names();
  std::erase(names, "torchscript");
  return names;
}

inline std::shared_ptr<models::Encoders> tiny_clip(uint64_t seed = 1) {
  torch::manual_seed(seed);
  return models::encoders().find("clip").make(tiny_clip_options(), "");
}

struct TinyBatch {
  at::Tensor ids, text_mask;      // [3, 9], texts of 9, 5 and 2 tokens
  at::Tensor pixels, video_mask;  // [3, 4, 3, 32, 32], videos of 4, 3 and 1 frames
};

inline at::Tensor lengths_mask(const std::vector<int64_t>& lengths, int64_t longest) {
  return at::arange(longest).unsqueeze(0).lt(torch::tensor(lengths).unsqueeze(1));
}

// The end token is the largest id, as CLIP's is.
inline TinyBatch tiny_batch(uint64_t seed = 2) {
  torch::manual_seed(seed);
  TinyBatch batch;
  batch.text_mask = lengths_mask({9, 5, 2}, 9);
  batch.ids = at::randint(2, 98, {3, 9}, at::kLong) * batch.text_mask;
  batch.ids.scatter_(1, torch::tensor({8, 4, 1}, at::kLong).unsqueeze(1), 99);
  batch.pixels = at::randn({3, 4, 3, 32, 32});
  batch.video_mask = lengths_mask({4, 3, 1}, 4);
  return batch;
}

}  // namespace vtr::test
