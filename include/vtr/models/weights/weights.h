// Pretrained weights of any kind, behind one function that tells which kind a path is.
//
//   Weights weights = open_weights("ViT-B-32.pt");
//   weights.info.kind                  // "OpenAI CLIP archive"
//   weights.tensors                    // by OpenAI's names, as stored (float16, say)
#pragma once

#include "vtr/config/options.h"
#include "vtr/models/weights/safetensors.h"

#include <filesystem>
#include <string>

namespace vtr::models {

// What `vtr info --weights FILE` prints.
struct WeightsInfo {
  std::string kind;      // for people: "Hugging Face CLIP folder"
  std::string encoders;  // the entry of the encoders' table that reads it
  std::string dtype;     // of most values
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t bytes = 0;
  config::Node options;  // that entry's options, as far as the file tells them
};

struct Weights {
  WeightsInfo info;
  TensorMap tensors;  // empty for a TorchScript module that is used as it is
};

// An OpenAI TorchScript archive, a Hugging Face CLIP folder, safetensors in our own naming (with
// any prefix, as in a run's checkpoint; other tensors are left out), or another TorchScript module
// with encode_image, encode_text or forward. Loaded to the CPU, whatever device the file names.
// Throws Error naming the file, and the tensor where one is wrong.
Weights open_weights(const std::filesystem::path& path);

}  // namespace vtr::models
