#include "vtr/core/error.h"
#include "vtr/models/features.h"

#include <torch/types.h>

namespace vtr::models {

namespace {

Tensor moved(const Tensor& x, c10::Device device) { return x.defined() ? sent(x, device) : x; }

}  // namespace

Tensor sent(const Tensor& x, c10::Device device) {
  if (!x.is_cpu() || !device.is_cuda()) return x.to(device);
  // A copy from pageable memory would wait for what the GPU has been given to do.
  return x.contiguous().pin_memory().to(device, /*non_blocking=*/true);
}

TextFeatures to(const TextFeatures& f, c10::Device device) {
  return {moved(f.pooled, device), moved(f.tokens, device), moved(f.mask, device)};
}

VideoFeatures to(const VideoFeatures& f, c10::Device device) {
  return {moved(f.frames, device), moved(f.patches, device), moved(f.mask, device),
          moved(f.times, device)};
}

const Tensor& State::operator[](const std::string& name) const {
  for (const auto& [key, tensor] : items_) {
    if (key == name) return tensor;
  }
  VTR_ASSERT(!"a state has the tensors its head gave it");
  return items_.front().second;
}

bool State::has(const std::string& name) const {
  return std::ranges::any_of(items_, [&](const auto& item) { return item.first == name; });
}

int64_t State::size() const { return items_.empty() ? 0 : items_.front().second.size(0); }

State State::slice(int64_t begin, int64_t end) const {
  Items result;
  for (const auto& [name, tensor] : items_) result.emplace_back(name, tensor.slice(0, begin, end));
  return result;
}

State State::to(at::ScalarType type) const {
  Items result;
  for (const auto& [name, tensor] : items_) {
    result.emplace_back(name, tensor.is_floating_point() ? tensor.to(type) : tensor);
  }
  return result;
}

State State::cat(const std::vector<State>& parts) {
  if (parts.size() == 1) return parts.front();
  Items result;
  for (size_t i = 0; !parts.empty() && i < parts.front().items_.size(); ++i) {
    std::vector<Tensor> tensors;
    for (const auto& part : parts) tensors.push_back(part.items_[i].second);
    result.emplace_back(parts.front().items_[i].first, torch::cat(tensors));
  }
  return result;
}

}  // namespace vtr::models
