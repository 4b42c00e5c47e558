// The differentiable part of a training step: features, scores, loss, gradients.
//
// The batch of all ranks is one: every rank makes the states of its texts and videos, gathers those
// of all, scores its texts against all videos, and takes the loss of all scores. Of a batch cut
// into micro-batches the states are made without gradients first, and again, one micro-batch after
// the other, when the gradients of the states are known: memory for one (GradCache; Gao, Zhang, Han
// and Callan, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021).
// What a tower gives that does not train is made once. Both ways are exact: each state enters the
// loss through its values alone.
#pragma once

#include "vtr/data/loader.h"
#include "vtr/dist/gradients.h"
#include "vtr/eval/features.h"
#include "vtr/losses/losses.h"
#include "vtr/models/retriever.h"
#include "vtr/train/options.h"

namespace vtr::train {

class Step {
 public:
  // Of all ranks: which video and which caption of the manifest's each row is; captions cut.
  struct Rows {
    Tensor videos, captions;  // [B] int64
    int64_t captions_per_video = 1;
    int64_t truncated = 0;
  };
  // Throws Error where the model or the number of ranks does not go with the options.
  Step(models::Retriever& model, const TrainOptions& options, dist::Group& group);
  // From now on features of frozen towers are read from there (null: from nowhere).
  void read(const eval::Features* features) { features_ = features; }
  // This rank's part of the batch. Adds the gradients of the loss of all parts, times `factor` (a
  // float32 scalar on the model's device; undefined: 1), to the parameters', summed over the ranks;
  // returns the loss, a detached scalar. Throws Error when no parameter has a part in it.
  Tensor backward(const data::Batch& batch, const Tensor& factor = {});
  const Rows& rows() const { return rows_; }  // of the last batch

 private:
  struct States {
    models::TextState text;
    models::VideoState video;
  };
  struct Replay;  // of a micro-batch
  Rows of_all_ranks(const data::Batch& batch);
  States states(const data::Batch& batch, Replay* replay);
  models::TextState texts(const data::Batch& batch, Replay* replay);
  models::VideoState videos(const data::Batch& batch, Replay* replay);
  Tensor loss(const States& all, const Tensor& factor);

  models::Retriever& model_;
  dist::Group& group_;
  dist::Gradients gradients_;
  const std::string precision_;
  const int64_t micro_batch_;
  const losses::Loss loss_;
  const bool texts_train_, videos_train_;  // the towers
  Rows rows_;
  const eval::Features* features_ = nullptr;
};

}  // namespace vtr::train
