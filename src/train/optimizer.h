// The optimiser: named parameters in groups of one rate and decay, one fused call a group and step.
#pragma once

#include "vtr/models/weights/safetensors.h"
#include "vtr/train/options.h"
#include "vtr/train/updates.h"

#include <torch/nn/module.h>

#include <string>
#include <vector>

namespace vtr::train {

class Optimizer {
 public:
  // Of the parameters that require gradients (`trained` in groups.h).
  Optimizer(const torch::nn::Module& model, const TrainOptions& options);
  void zero_grad();
  // One update with every rate times `factor`; scale and skip: those of Pace.
  void step(double factor, const Tensor& scale = {}, const Tensor& skip = {});
  struct Taken {
    Tensor norms;          // [n] float32, of every gradient
    int64_t encoders = 0;  // the first of them, the head's behind
    Tensor skip;           // float32 scalar: 1 where a gradient was not finite and nothing changed
  };
  // The same with gradients of `unit` times the loss (float32 scalar; undefined: 1), clipped as
  // train.clip_norm says.
  Taken clipped_step(double factor, const Tensor& unit = {});
  int64_t size() const;                   // values that train
  std::vector<Tensor> gradients() const;  // defined ones, the encoders' first
  struct Norms {
    Tensor each;           // [n] float32, of every gradient
    int64_t encoders = 0;  // the first of them, the head's behind
  };
  Norms norms() const;
  models::TensorMap state() const;  // moments by parameter name, and the count of steps
  void load_state(const models::TensorMap& state);

 private:
  struct Group {
    bool encoder = false;
    double rate = 0, decay = 0;
    std::vector<std::string> names;
    std::vector<Tensor> parameters, mean, square, steps;
    Moments with_gradients() const;  // of those parameters that have one
  };
  const Update update_;
  const double clip_norm_;
  std::vector<Group> groups_;
};

}  // namespace vtr::train
