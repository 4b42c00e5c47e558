#include "vtr/models/weights/copy.h"

#include "vtr/core/error.h"

#include <torch/torch.h>

#include <map>

namespace vtr::models {
namespace {

constexpr size_t kListed = 4;  // names an error gives before "and n more"

std::string shape(const Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes().vec(), ", "));
}

// "; missing a [2], b [3] and 4 more", or nothing.
std::string listing(const char* title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  const size_t listed = std::min(items.size(), kListed);
  std::string text =
      fmt::format("; {} {}", title, fmt::join(items.begin(), items.begin() + listed, ", "));
  if (items.size() > listed) text += fmt::format(" and {} more", items.size() - listed);
  return text;
}

}  // namespace

void copy_parameters(torch::nn::Module& module, const TensorMap& tensors, const std::string& what) {
  TensorMap targets;
  for (const auto& item : module.named_parameters()) targets.emplace_back(item.key(), item.value());
  for (const auto& item : module.named_buffers()) targets.emplace_back(item.key(), item.value());
  copy_parameters(targets, tensors, what);
}

void copy_parameters(const TensorMap& into, const TensorMap& tensors, const std::string& what) {
  std::map<std::string, Tensor> targets(into.begin(), into.end());
  std::vector<std::pair<Tensor, Tensor>> copies;
  std::vector<std::string> missing, unexpected, mismatched;
  for (const auto& [name, value] : tensors) {
    const auto found = targets.find(name);
    if (found == targets.end()) {
      unexpected.push_back(name + " " + shape(value));
      continue;
    }
    if (found->second.sizes() == value.sizes()) {
      copies.emplace_back(found->second, value);
    } else {
      mismatched.push_back(
          fmt::format("{} {} (needed {})", name, shape(value), shape(found->second)));
    }
    targets.erase(found);
  }
  for (const auto& [name, target] : targets) missing.push_back(name + " " + shape(target));
  VTR_CHECK(missing.empty() && unexpected.empty() && mismatched.empty(),
            "{}: the tensors do not fit this model{}{}{}", what, listing("missing", missing),
            listing("unexpected", unexpected), listing("of another shape", mismatched));
  const torch::NoGradGuard no_grad;
  for (auto& [target, value] : copies) target.copy_(value);
}

void require_finite(const TensorMap& tensors, const std::string& what) {
  for (const auto& [name, tensor] : tensors) {
    // One pass without a mask of the tensor's size: a sum is finite unless a term is not (or, of
    // values no trained network has, it overflows: then the slow test decides).
    if (!tensor.is_floating_point() || std::isfinite(tensor.sum(at::kDouble).item<double>()))
      continue;
    VTR_CHECK(tensor.isfinite().all().item<bool>(), "{}: '{}' holds NaN or infinity", what, name);
  }
}

}  // namespace vtr::models
