#include "vtr/models/towers.h"

#include "weights/fit.h"

#include "vtr/core/hash.h"

#include <torch/types.h>

#include <algorithm>
#include <array>

namespace vtr::models {
namespace {

// CLIP's names, and those of two TorchScript modules. What is neither (prompts made of both, one
// module for both) counts to both.
constexpr std::array<const char*, 2> kImage = {"visual.", "image."};
constexpr std::array<const char*, 6> kText = {
    "text.",     "transformer.",    "token_embedding.",
    "ln_final.", "text_projection", "positional_embedding"};

bool begins(const std::string& name, const auto& prefixes) {
  return std::ranges::any_of(prefixes, [&](const char* p) { return name.starts_with(p); });
}

TensorMap tower_tensors(Encoders& encoders, Tower tower) {
  TensorMap result;
  for (const auto& [name, tensor] : named_tensors(encoders)) {
    const bool other = tower == Tower::image ? begins(name, kText) : begins(name, kImage);
    if (!other && !tensor.is_same(encoders.logit_scale())) result.emplace_back(name, tensor);
  }
  return result;
}

}  // namespace

bool trains(Encoders& encoders, Tower tower) {
  return std::ranges::any_of(tower_tensors(encoders, tower),
                             [](const auto& item) { return item.second.requires_grad(); });
}

std::string tower_hash(Encoders& encoders, Tower tower) {
  Sha256 hash;
  for (const auto& [name, tensor] : tower_tensors(encoders, tower)) {
    const std::string title = fmt::format("{} {} [{}]\n", name, toString(tensor.scalar_type()),
                                          fmt::join(tensor.sizes().vec(), ", "));
    hash.add(title.data(), title.size());
    const Tensor host = tensor.detach().to(torch::kCPU).contiguous();
    hash.add(host.const_data_ptr(), host.nbytes());
  }
  return hash.hex();
}

}  // namespace vtr::models
