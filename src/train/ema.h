// An exponential moving average of the weights that train.
#pragma once

#include "vtr/models/weights/safetensors.h"

#include <torch/nn/module.h>

#include <string>
#include <vector>

namespace vtr::train {

class Ema {
 public:
  // decay 0: there is none, and nothing below does anything.
  Ema(const torch::nn::Module& model, double decay);
  void update();  // after a step

  // While it lives the model has the average for its weights.
  class InUse {
   public:
    explicit InUse(Ema& ema) : ema_(ema) { ema_.swap(); }
    ~InUse() { ema_.swap(); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    Ema& ema_;
  };

  // Copies of the weights that train, as "trained.NAME": a checkpoint's model is the average.
  models::TensorMap state() const;
  // The average is the model as it is now; the weights that train come from `state`, if they are in
  // it.
  void load_state(const models::TensorMap& state);

 private:
  void swap();

  double decay_;
  std::vector<std::string> names_;
  std::vector<Tensor> weights_, average_;
};

}  // namespace vtr::train
