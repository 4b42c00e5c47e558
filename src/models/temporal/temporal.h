// Where a frame stands in its video: temporal encodings, for the attention heads. In the sequence
// J = [s; f_1 .. f_T] the text has position 0 and the frames 1..T.
#pragma once

#include "vtr/core/table.h"
#include "vtr/core/tensor.h"

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

namespace vtr::models {

struct TemporalContext {
  int64_t width = 0;   // D
  int64_t frames = 0;  // the most T
  int64_t heads = 0;   // H, d = D / H
};

class TemporalEncoding : public torch::nn::Module {
 public:
  // p [T, D], added to the normalised frames; undefined when nothing is added.
  virtual Tensor added(int64_t frames);
  // Queries or keys of the frames [M, T, H, d], turned to their positions.
  virtual Tensor rotated(const Tensor& x);
  // Added to the logits of J: [H, T + 1, T + 1], row = query, column = key; undefined when none.
  virtual Tensor bias(int64_t frames);
};

struct TemporalEntry {
  std::string name, summary;
  std::function<std::shared_ptr<TemporalEncoding>(const TemporalContext&)> make;
};

const Table<TemporalEntry>& temporal_encodings();

}  // namespace vtr::models
