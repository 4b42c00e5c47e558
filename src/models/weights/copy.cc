#include "vtr/models/weights/copy.h"

#include "weights/fit.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/types.h>

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

Tensor cut_positions(const std::string& name, const Tensor& tensor, const TensorMap& targets) {
  const auto target = std::ranges::find_if(targets, [&](const auto& t) { return t.first == name; });
  const bool longer = name.ends_with("temporal.positions") && target != targets.end() &&
                      tensor.dim() == 2 && tensor.size(0) > target->second.size(0);
  return longer ? tensor.narrow(0, 0, target->second.size(0)) : tensor;
}

TensorMap named_tensors(const torch::nn::Module& module) {
  TensorMap result;
  for (const auto& item : module.named_parameters()) result.emplace_back(item.key(), item.value());
  for (const auto& item : module.named_buffers()) result.emplace_back(item.key(), item.value());
  return result;
}

Fit fit(const TensorMap& into, const TensorMap& tensors) {
  std::map<std::string, Tensor> targets(into.begin(), into.end());
  Fit result;
  for (const auto& [name, value] : tensors) {
    const auto found = targets.find(name);
    if (found == targets.end()) {
      result.unexpected.push_back(name + " " + shape(value));
      continue;
    }
    if (found->second.sizes() == value.sizes()) {
      result.copies.emplace_back(found->second, value);
    } else {
      result.mismatched.push_back(
          fmt::format("{} {} (needed {})", name, shape(value), shape(found->second)));
    }
    targets.erase(found);
  }
  for (const auto& [name, target] : targets) result.missing.push_back(name + " " + shape(target));
  return result;
}

void Fit::copy() const {
  const torch::NoGradGuard no_grad;
  for (const auto& [into, from] : copies) into.copy_(from);
}

void copy_parameters(torch::nn::Module& module, const TensorMap& tensors, const std::string& what) {
  copy_parameters(named_tensors(module), tensors, what);
}

void copy_parameters(const TensorMap& into, const TensorMap& tensors, const std::string& what) {
  const Fit found = fit(into, tensors);
  VTR_CHECK(found.whole(), "{}: the tensors do not fit this model{}{}{}", what,
            listing("missing", found.missing), listing("unexpected", found.unexpected),
            listing("of another shape", found.mismatched));
  found.copy();
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
