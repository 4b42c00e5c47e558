// The differentiable part of a training step: features, scores, loss, gradients.
#pragma once

#include "vtr/data/loader.h"
#include "vtr/eval/features.h"
#include "vtr/losses/losses.h"
#include "vtr/models/retriever.h"
#include "vtr/train/options.h"

namespace vtr::train {

class Step {
 public:
  Step(models::Retriever& model, const TrainOptions& options);
  // From now on features of frozen towers are read from there (null: from nowhere).
  void read(const eval::Features* features) { features_ = features; }
  // Adds the gradients of `factor` times the batch's loss to the parameters'; returns the loss, a
  // detached scalar. Throws Error when no parameter has a part in it.
  Tensor backward(const data::Batch& batch, double factor);

 private:
  models::TextState texts(const data::Batch& batch);
  models::VideoState videos(const data::Batch& batch);

  models::Retriever& model_;
  const std::string precision_;
  const losses::Loss loss_;
  const eval::Features* features_ = nullptr;
};

}  // namespace vtr::train
