// The training loop over parts that were built outside: encode, score, loss, backward, clip,
// update; around it, validation, checkpoints and the log.
#pragma once

#include "vtr/data/loader.h"
#include "vtr/eval/evaluator.h"
#include "vtr/losses/losses.h"
#include "vtr/train/options.h"

#include <memory>

namespace vtr::train {

struct Parts {
  models::Retriever& model;
  const text::Tokenizer& tokenizer;
  const data::Manifest& train;
  const data::Manifest& val;  // empty: no validation, the last checkpoint counts
  data::LoaderSettings loader;
  TrainOptions options;
  eval::EvalOptions eval;
};

enum class Outcome { finished, stopped };  // stopped: by SIGTERM or SIGINT, after saving

class Trainer {
 public:
  // Goes on from the newest whole checkpoint in `run` when there is one.
  Trainer(const Parts& parts, const fs::path& run);
  ~Trainer();
  Outcome run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::train
