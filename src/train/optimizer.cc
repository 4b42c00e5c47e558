#include "optimizer.h"

#include "vtr/core/error.h"

#include <torch/torch.h>

#include <fnmatch.h>
#include <map>

namespace vtr::train {

AdamW::AdamW(torch::nn::Module& model, const TrainOptions& options) : options_(options) {
  for (const bool encoder : {true, false}) {
    for (const bool decays : {true, false}) {
      groups_.push_back({encoder ? options.encoder_lr : options.lr,
                         decays ? options.weight_decay : 0,
                         {},
                         {},
                         {},
                         {},
                         {}});
    }
  }
  for (const auto& item : model.named_parameters()) {
    const Tensor& value = item.value();
    if (!value.requires_grad()) continue;
    auto& group = groups_[(item.key().starts_with("clip.") ? 0 : 2) + (value.dim() >= 2 ? 0 : 1)];
    group.names.push_back(item.key());
    group.parameters.push_back(value);
    group.mean.push_back(torch::zeros_like(value));
    group.square.push_back(torch::zeros_like(value));
    group.steps.push_back(torch::zeros({}, value.options()));
  }
}

void AdamW::zero_grad() {
  for (auto& group : groups_) {
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

void AdamW::step(double factor) {
  const torch::NoGradGuard no_grad;
  for (auto& group : groups_) {
    std::vector<Tensor> parameters, gradients, mean, square, steps;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      if (!group.parameters[i].grad().defined()) continue;
      parameters.push_back(group.parameters[i]);
      gradients.push_back(group.parameters[i].grad());
      mean.push_back(group.mean[i]);
      square.push_back(group.square[i]);
      steps.push_back(group.steps[i]);
    }
    if (parameters.empty()) continue;
    at::_foreach_add_(steps, 1);
    at::_fused_adamw_(parameters, gradients, mean, square, /*max_exp_avg_sqs=*/{}, steps,
                      group.lr * factor, options_.beta1, options_.beta2, group.weight_decay,
                      options_.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
}

int64_t AdamW::size() const {
  int64_t total = 0;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) total += parameter.numel();
  }
  return total;
}

std::vector<Tensor> AdamW::gradients() const {
  std::vector<Tensor> result;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) {
      if (parameter.grad().defined()) result.push_back(parameter.grad());
    }
  }
  return result;
}

models::TensorMap AdamW::state() const {
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

void AdamW::load_state(const models::TensorMap& state) {
  if (state.empty()) return;  // of an imported model, which nobody here has trained yet
  const std::map<std::string, Tensor> by_name(state.begin(), state.end());
  const auto load = [&](const std::string& name, Tensor& value) {
    const auto found = by_name.find(name);
    VTR_CHECK(
        found != by_name.end() && found->second.sizes() == value.sizes(),
        "the optimiser's checkpoint has no fitting {}: was the model or train.freeze changed?",
        name);
    value.copy_(found->second);
  };
  for (auto& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      load("mean." + group.names[i], group.mean[i]);
      load("square." + group.names[i], group.square[i]);
      load("steps." + group.names[i], group.steps[i]);
    }
  }
}

int64_t freeze(torch::nn::Module& model, const std::vector<std::string>& patterns) {
  int64_t frozen = 0;
  for (const auto& pattern : patterns) {
    bool matched = false;
    for (auto& item : model.named_parameters()) {
      if (fnmatch(pattern.c_str(), item.key().c_str(), 0) != 0) continue;
      matched = true;
      if (item.value().requires_grad()) frozen += item.value().numel();
      item.value().set_requires_grad(false);
    }
    VTR_CHECK(matched, "train.freeze: no parameter matches '{}'", pattern);
  }
  return frozen;
}

}  // namespace vtr::train
