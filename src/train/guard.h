// The guards of a run: what ends it before it has trained for nothing.
#pragma once

#include "vtr/train/checkpoint.h"
#include "vtr/train/options.h"

namespace vtr::train {

// A step, as it was read from the device.
struct Figures {
  int64_t step = 0;
  double loss = 0, encoder_norm = 0, head_norm = 0;  // norms of the gradients, unscaled
  double logit_scale = 0, loss_scale = 1;
  double norm() const;
  bool finite() const;
  bool overflow() const;  // of fp16: the loss scale was too large, and only that
};

class Guard {
 public:
  Guard(const TrainOptions& options, GuardState& state) : options_(options), state_(state) {}
  // Every step once, in order. Throws Error by train.non_finite and train.divergence.
  void check(const Figures& figures);

 private:
  void check_finite(const Figures& figures);
  void check_mean(const Figures& figures);
  const TrainOptions& options_;
  GuardState& state_;
};

}  // namespace vtr::train
