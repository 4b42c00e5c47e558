#include "ema.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>

namespace vtr::train {
namespace {

const std::string kTrained = "trained.";

std::vector<Tensor> copies(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> result;
  for (const auto& tensor : tensors) result.push_back(tensor.detach().clone());
  return result;
}

}  // namespace

Ema::Ema(const torch::nn::Module& model, double decay) : decay_(decay) {
  if (decay == 0) return;
  for (const auto& item : model.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    names_.push_back(item.key());
    weights_.push_back(item.value());
  }
  average_ = copies(weights_);
}

void Ema::update() {
  const torch::NoGradGuard no_grad;
  if (!weights_.empty()) at::_foreach_lerp_(average_, weights_, 1 - decay_);
}

void Ema::swap() {
  if (weights_.empty()) return;
  const torch::NoGradGuard no_grad;
  const auto kept = copies(weights_);
  at::_foreach_copy_(weights_, average_);
  at::_foreach_copy_(average_, kept);
}

models::TensorMap Ema::state() const {
  models::TensorMap result;
  for (size_t i = 0; i < names_.size(); ++i) {
    result.emplace_back(kTrained + names_[i], weights_[i].detach().clone());
  }
  return result;
}

void Ema::load_state(const models::TensorMap& state) {
  const torch::NoGradGuard no_grad;
  average_ = copies(weights_);
  const std::map<std::string, Tensor> saved(state.begin(), state.end());
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto found = saved.find(kTrained + names_[i]);
    if (found != saved.end()) weights_[i].copy_(found->second);
  }
}

}  // namespace vtr::train
