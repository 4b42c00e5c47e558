#include "optimizer.h"

#include "groups.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <tuple>

namespace vtr::train {

Optimizer::Optimizer(const torch::nn::Module& model, const TrainOptions& options)
    : update_(make_update(options.optimizer)), clip_norm_(options.clip_norm) {
  std::map<std::tuple<bool, double, double>, Group> groups;
  for (const auto& [name, value, encoder, rate, decay] : trained(model, options)) {
    auto& group = groups[{!encoder, rate, decay}];
    group.encoder = encoder;
    group.rate = rate;
    group.decay = decay;
    group.names.push_back(name);
    group.parameters.push_back(value);
    group.mean.push_back(torch::zeros_like(value));
    group.square.push_back(torch::zeros_like(value));
    group.steps.push_back(torch::zeros({}, value.options()));
  }
  for (auto& [key, group] : groups) groups_.push_back(std::move(group));
}

void Optimizer::zero_grad() {
  for (auto& group : groups_) {
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

Moments Optimizer::Group::with_gradients() const {
  Moments found;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].grad().defined()) continue;
    found.parameters.push_back(parameters[i]);
    found.gradients.push_back(parameters[i].grad());
    found.mean.push_back(mean[i]);
    found.square.push_back(square[i]);
    found.steps.push_back(steps[i]);
  }
  return found;
}

void Optimizer::step(double factor, const Tensor& scale, const Tensor& skip) {
  const torch::NoGradGuard no_grad;
  for (const auto& group : groups_) {
    const Moments moments = group.with_gradients();
    if (moments.parameters.empty()) continue;
    at::_foreach_add_(moments.steps, 1);
    if (skip.defined()) at::_foreach_add_(moments.steps, skip, -1);
    update_(moments, {group.rate * factor, group.decay, scale, skip});
  }
}

Optimizer::Taken Optimizer::clipped_step(double factor, const Tensor& unit) {
  RECORD_USER_SCOPE("update");
  const torch::NoGradGuard no_grad;
  const auto [scaled_norms, encoders] = norms();
  const Tensor norms = unit.defined() ? scaled_norms / unit : scaled_norms, norm = norms.norm();
  const Tensor skip = norm.isfinite().logical_not().to(torch::kFloat);
  Tensor scale = unit.defined() ? unit : torch::ones_like(norm);
  if (clip_norm_ > 0) scale = scale * ((norm + 1e-6) / clip_norm_).clamp_min(1);
  step(factor, scale, skip);
  return {norms, encoders, skip};
}

int64_t Optimizer::size() const {
  int64_t total = 0;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) total += parameter.numel();
  }
  return total;
}

std::vector<Tensor> Optimizer::gradients() const {
  std::vector<Tensor> result;
  for (const auto& group : groups_) {
    const auto found = group.with_gradients().gradients;
    result.insert(result.end(), found.begin(), found.end());
  }
  return result;
}

Optimizer::Norms Optimizer::norms() const {
  Norms result;
  for (const auto& group : groups_) {
    if (!group.encoder) break;
    result.encoders += static_cast<int64_t>(group.with_gradients().gradients.size());
  }
  result.each = torch::stack(at::_foreach_norm(gradients()));
  return result;
}

models::TensorMap Optimizer::state() const {
  models::TensorMap result;
  for (const auto& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      result.emplace_back("mean." + group.names[i], group.mean[i]);
      result.emplace_back("square." + group.names[i], group.square[i]);
      result.emplace_back("steps." + group.names[i], group.steps[i]);
    }
  }
  return result;
}

void Optimizer::load_state(const models::TensorMap& state) {
  if (state.empty()) return;  // of an imported model, which nobody here has trained yet
  const std::map<std::string, Tensor> saved(state.begin(), state.end());
  for (auto& [name, value] : this->state()) {
    const auto found = saved.find(name);
    VTR_CHECK(
        found != saved.end() && found->second.sizes() == value.sizes(),
        "the optimiser's checkpoint has no fitting {}: was the model or train.freeze changed?",
        name);
    value.copy_(found->second);
  }
}

}  // namespace vtr::train
