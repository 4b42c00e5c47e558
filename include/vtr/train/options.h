// Options of training.
#pragma once

#include "vtr/config/options.h"

namespace vtr::train {

struct TrainOptions {
  int64_t batch = 32;
  int64_t micro_batch = 0;
  std::string checkpoint_activations = "none";
  int64_t dist_timeout = 600;
  int64_t epochs = 5;
  int64_t max_steps = 0;
  int64_t seed = 1;
  double lr = 1e-4;
  double encoder_lr = 1e-6;
  double weight_decay = 0.2;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double eps = 1e-6;
  double warmup = 0.1;
  std::string schedule = "cosine";
  double clip_norm = 1.0;
  std::string precision = "fp32";
  std::vector<std::string> freeze;
  bool encode_once = false;
  config::Choice loss{"symmetric_ce", {}};
  int64_t checkpoint_every = 0;
  int64_t eval_every = 0;
  int64_t keep = 2;
  void fields(auto& f) {
    using namespace config;
    f("batch", batch, "pairs a step; each is the others' negative", at_least(1));
    f("micro_batch", micro_batch,
      "pairs encoded at once, each twice: memory for so many, the loss and gradients of `batch` "
      "(GradCache); 0: all at once",
      at_least(0));
    f("checkpoint_activations", checkpoint_activations,
      "blocks: the encoders' transformer blocks run again on the way back instead of keeping what "
      "is inside",
      one_of({"none", "blocks"}));
    f("dist_timeout", dist_timeout,
      "seconds that the processes of a job wait for each other: to start, and for one that lives "
      "but does not go on",
      at_least(1));
    f("epochs", epochs, "passes over the training pairs", at_least(1));
    f("max_steps", max_steps, "steps in all, instead of epochs; 0: by epochs", at_least(0));
    f("seed", seed, "of everything random: start, order, frames, dropout", at_least(0));
    f("lr", lr, "peak learning rate of the head", at_least(0));
    f("encoder_lr", encoder_lr, "peak learning rate of the encoders", at_least(0));
    f("weight_decay", weight_decay, "of matrices; vectors and scalars do not decay", at_least(0));
    f("beta1", beta1, "AdamW", between(0, 1));
    f("beta2", beta2, "AdamW", between(0, 1));
    f("eps", eps, "AdamW", at_least(0));
    f("warmup", warmup, "part of all steps over which the rate rises linearly", between(0, 1));
    f("schedule", schedule, "after the warm-up", one_of({"cosine", "linear", "constant"}));
    f("clip_norm", clip_norm, "largest norm of all gradients together; 0: no clipping",
      at_least(0));
    f("precision", precision, "arithmetic of the forward pass; master weights stay fp32",
      one_of({"fp32", "bf16", "fp16"}));
    f("freeze", freeze, "parameters that stay, by name with * for any text: [clip.visual.*]");
    f("encode_once", encode_once,
      "keep every training video's features, and the texts' of a frozen text tower: for frozen "
      "image towers and frames nothing random touches");
    f("loss", loss, "loss and its options (vtr list losses)");
    f("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: every epoch",
      at_least(0));
    f("eval_every", eval_every, "steps between validations; 0: every epoch", at_least(0));
    f("keep", keep, "checkpoints kept beside the best one", at_least(1));
  }
  void check(const std::string& path) const;
};

// The factor on the peak rate for step `step` of `total`, from 0: a linear warm-up that ends at 1,
// then down to 0 over the rest (cosine re-based there, or linear), or constant.
double schedule_factor(const TrainOptions& options, int64_t step, int64_t total);

}  // namespace vtr::train
