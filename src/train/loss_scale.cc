#include "loss_scale.h"

#include <torch/types.h>

namespace vtr::train {

LossScale::LossScale(c10::Device device, const TrainState& state)
    : value_(torch::full({}, state.loss_scale, torch::dtype(torch::kFloat).device(device))),
      clean_(torch::full({}, state.clean_steps, torch::dtype(torch::kInt).device(device))) {}

void LossScale::update(const Tensor& skip) {
  at::_amp_update_scale_(value_, clean_, skip, /*scale_growth_factor=*/2,
                         /*scale_backoff_factor=*/0.5, kCleanSteps);
  value_.clamp_min_(1);
}

void LossScale::keep(TrainState& state) const {
  state.loss_scale = value_.item<double>();
  state.clean_steps = clean_.item<int64_t>();
}

}  // namespace vtr::train
