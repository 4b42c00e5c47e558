// The safetensors format: named tensors behind a JSON header, no code inside.
// https://github.com/huggingface/safetensors
//
//   save_safetensors(path, {{"proj.weight", weight}}, {{"format", "pt"}});
//   TensorMap tensors = load_safetensors(path);
#pragma once

#include "vtr/core/tensor.h"

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vtr::models {

using TensorMap = std::vector<std::pair<std::string, Tensor>>;

// The tensors in the file's order, their memory mapped from the file (copy on write: writing to one
// leaves the file alone). A header that is not sound throws Error naming file and offset; dtypes:
// float64/32/16, bfloat16, int64/32/16/8, uint8, bool.
TensorMap load_safetensors(const std::filesystem::path& path,
                           std::map<std::string, std::string>* metadata = nullptr);

// Writes aside, syncs and renames, so that `path` is whole or as it was; throws Error, for example
// when the disk is full. Tensors of any device and layout; wider dtypes stand first in the file.
void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace vtr::models
