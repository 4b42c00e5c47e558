#include "statistics.h"

#include <torch/types.h>

namespace vtr::train {

Statistics::Statistics(const torch::nn::Module& model) : statistics_(model.buffers()) {
  for (const auto& values : statistics_) kept_.push_back(values.detach().clone());
}

void Statistics::keep() {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < kept_.size(); ++i) kept_[i].copy_(statistics_[i]);
}

void Statistics::put_back(const Tensor& skipped) {
  if (kept_.empty()) return;
  const torch::NoGradGuard no_grad;
  const Tensor is_skipped = skipped.gt(0);
  for (size_t i = 0; i < kept_.size(); ++i) {
    statistics_[i].copy_(at::where(is_skipped, kept_[i], statistics_[i]));
  }
}

}  // namespace vtr::train
