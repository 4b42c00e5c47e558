// Where a frame stands in its video: temporal encodings, for every head with attention over frames.
// Positions are real numbers: 1, 2, .. T by index, or 1 + seconds / unit by the frames' own
// timestamps; a text, in the joint sequence J = [s; f_1 .. f_T], has position 0.
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"
#include "vtr/models/features.h"

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

namespace vtr::models {

// The options of a head that takes a temporal encoding; its own `fields` calls these.
struct TemporalOptions {
  std::string temporal = "none";
  double time_unit = 0;
  void fields(auto& f);
};

struct TemporalContext {
  int64_t width = 0;   // D
  int64_t frames = 0;  // the most T
  int64_t heads = 0;   // H, d = D / H
};

class TemporalEncoding : public torch::nn::Module {
 public:
  // `positions` is [M, T] or [1, T] float, here and below.
  // p [M or 1, T, D], added to the normalised frames; undefined when nothing is added.
  virtual Tensor added(const Tensor& positions);
  // Queries or keys of the frames x [M, T, H, d], turned to their positions.
  virtual Tensor rotated(const Tensor& x, const Tensor& positions);
  virtual bool rotates() const { return false; }
  // Added to the logits of J: [M or 1, H, T + 1, T + 1], row = query, column = key; undefined when
  // none.
  virtual Tensor bias(const Tensor& positions);
};

// [1, T] by index, or, with a unit of time in seconds, [M, T] from the frames' timestamps. Throws
// Error when these are asked for and missing.
Tensor frame_positions(const VideoFeatures& features, double time_unit);

struct TemporalEntry {
  std::string name, summary;
  std::function<std::shared_ptr<TemporalEncoding>(const TemporalContext&)> make;
};

const Table<TemporalEntry>& temporal_encodings();

void TemporalOptions::fields(auto& f) {
  f("temporal", temporal, "temporal encoding", config::one_of(temporal_encodings().names()));
  f("time_unit", time_unit,
    "seconds from one position to the next, by the frames' timestamps; 0: positions are indices",
    config::at_least(0));
}

}  // namespace vtr::models
