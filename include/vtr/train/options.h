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
  config::Choice optimizer{"adamw", {}};
  double lr = 1e-4;
  double encoder_lr = 1e-6;
  double layer_decay = 1;
  std::vector<std::string> rates;
  double weight_decay = 0.2;
  std::string decay = "matrices";
  config::Choice schedule{"cosine", {}};
  double clip_norm = 1.0;
  double logit_scale_max = 100;
  double logit_scale_min = 0;
  double ema = 0;
  std::string precision = "fp32";
  bool deterministic = false;
  std::vector<std::string> freeze;
  bool encode_once = false;
  std::string init_from;
  config::Choice loss{"symmetric_ce", {}};
  std::string non_finite = "stop";
  int64_t max_skips = 10;
  double divergence = 0;
  std::string select_on = "val";
  int64_t patience = 0;
  int64_t checkpoint_every = 0;
  int64_t eval_every = 0;
  int64_t log_every = 10;
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
    f("optimizer", optimizer, "optimiser and its options (vtr list optimizers)");
    f("lr", lr, "peak learning rate of the head", at_least(0));
    f("encoder_lr", encoder_lr, "peak learning rate of the encoders", at_least(0));
    f("layer_decay", layer_decay,
      "factor on the rate from one of CLIP's blocks to the one before it, down to the embeddings",
      between(0, 1));
    f("rates", rates,
      "factors on the rates of parameters, by name with * for any text: [clip.*STAN*=10]");
    f("weight_decay", weight_decay, "of what train.decay names", at_least(0));
    f("decay", decay, "what decays: matrices (not norms, biases, the temperature), all, or no bias",
      one_of({"matrices", "all", "no_bias"}));
    f("schedule", schedule, "rates over the run, and its options (vtr list schedules)");
    f("clip_norm", clip_norm, "largest norm of all gradients together; 0: no clipping",
      at_least(0));
    f("logit_scale_max", logit_scale_max, "largest inverse temperature", at_least(1e-6));
    f("logit_scale_min", logit_scale_min, "smallest inverse temperature; 0: any", at_least(0));
    f("ema", ema,
      "decay a step of a running mean of the weights, which is then what is validated and kept; 0: "
      "none",
      between(0, 0.999999));
    f("precision", precision, "arithmetic of the forward pass; master weights stay fp32",
      one_of({"fp32", "bf16", "fp16"}));
    f("deterministic", deterministic, "only kernels that give the same bits again, on a GPU too");
    f("freeze", freeze, "parameters that stay, by name with * for any text: [clip.visual.*]");
    f("encode_once", encode_once,
      "keep every training video's features, and the texts' of a frozen text tower: for frozen "
      "image towers and frames nothing random touches");
    f("init_from", init_from,
      "the first weights: a run, a checkpoint or a model.safetensors; as --init-from");
    f("loss", loss, "loss and its options (vtr list losses)");
    f("non_finite", non_finite, "a step whose loss or gradient is not finite ends the run, or not",
      one_of({"stop", "skip"}));
    f("max_skips", max_skips, "steps in a row that train.non_finite: skip leaves out, at most",
      at_least(0));
    f("divergence", divergence,
      "stop where the running mean of the loss stays above its best this many times; 0: never",
      at_least(0));
    f("select_on", select_on, "split that chooses the best checkpoint; test: as the peers do",
      one_of({"val", "test"}));
    f("patience", patience, "validations without a better one before the run ends; 0: any number",
      at_least(0));
    f("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: every epoch",
      at_least(0));
    f("eval_every", eval_every, "steps between validations; 0: every epoch", at_least(0));
    f("log_every", log_every, "steps a line of metrics.jsonl is the mean of", at_least(1));
    f("keep", keep, "checkpoints kept beside the best one", at_least(1));
  }
  void check(const std::string& path) const;
};

}  // namespace vtr::train
