// The training loop over parts that were built outside: encode, score, loss, backward, clip,
// update; around it, validation, checkpoints and the log.
#pragma once

#include "vtr/data/manifest.h"
#include "vtr/dist/group.h"
#include "vtr/eval/features.h"
#include "vtr/losses/losses.h"
#include "vtr/train/checkpoint.h"
#include "vtr/train/options.h"

#include <memory>
#include <optional>

namespace vtr::train {

struct Parts {
  eval::Encoding encoding;
  const data::Manifest& train;
  const data::Manifest& val;       // empty: no validation, the last checkpoint counts
  std::optional<Checkpoint> from;  // to go on from; none: the model as it is
  TrainOptions options;
  int64_t workspace_mb;  // of scoring, in validation
  dist::Group& group;    // all train and validate, rank 0 writes
  int64_t profile = 0;   // steps to profile into the run's profile.json
};

enum class Outcome { finished, terminated, interrupted };  // by SIGTERM, by SIGINT: after saving

class Trainer {
 public:
  // Writes nothing yet. Throws Error for features (data.features, train.encode_once) that would not
  // be the model's.
  Trainer(const Parts& parts, const fs::path& run);
  ~Trainer();
  Outcome run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::train
