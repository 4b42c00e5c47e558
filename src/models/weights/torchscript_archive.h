// TorchScript archives, read to the CPU.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <string>

namespace vtr::models {

// Options of a CLIP that its shapes do not tell stand in an extra file of this name in our
// archives.
constexpr const char* kArchiveOptions = "vtr.yaml";

// Tensors saved on any device land on the CPU. `options` receives the extra file, or "". Throws
// Error naming the file.
torch::jit::Module load_archive(const std::filesystem::path& path, std::string* options = nullptr);

}  // namespace vtr::models
