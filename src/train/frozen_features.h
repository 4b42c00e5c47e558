// Features that take the videos' place, and the texts', where their towers stand still: of the
// store (data.features), or encoded once before the first step (train.encode_once).
#pragma once

#include "vtr/eval/features.h"
#include "vtr/train/trainer.h"

#include <optional>

namespace vtr::train {

class FrozenFeatures {
 public:
  // Of the store, where there is one. Throws Error where features would not stay as they are from
  // step to step, or the store's are others.
  void open(const Parts& parts);
  void encode(const Parts& parts);  // where train.encode_once asks for it
  const eval::Features* train() const { return train_ ? &*train_ : nullptr; }
  const eval::Features* val() const { return val_ ? &*val_ : nullptr; }

 private:
  std::optional<eval::Features> train_, val_;
};

}  // namespace vtr::train
