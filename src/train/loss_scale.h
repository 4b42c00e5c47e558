// The factor on fp16's loss that keeps small gradients from vanishing: halved where one overflows,
// doubled after kCleanSteps in a row that none did, never below 1 (Micikevicius et al., "Mixed
// Precision Training", ICLR 2018). It stays on the device: nothing waits for it.
#pragma once

#include "vtr/train/checkpoint.h"

namespace vtr::train {

class LossScale {
 public:
  static constexpr int64_t kCleanSteps = 2000;
  LossScale(c10::Device device, const TrainState& state);
  const Tensor& value() const { return value_; }  // float32 scalar
  // skip: float32 scalar, 1 where a gradient was not finite.
  void update(const Tensor& skip);
  void keep(TrainState& state) const;

 private:
  Tensor value_;  // float32 scalar
  Tensor clean_;  // int32 scalar: steps in a row without an overflow, since the last doubling
};

}  // namespace vtr::train
