// What `vtr eval` prints and writes of its evaluations.
#pragma once

#include "subject.h"

#include "vtr/eval/cost.h"
#include "vtr/eval/results.h"

namespace vtr::cli {

// A model on a split, by one post-processing.
struct Row {
  const Subject& subject;
  std::string split;  // data.test
  config::Choice rerank;
  int64_t videos = 0, skipped = 0;
  double seconds = 0;
  eval::Results results;
  report::Record cost{};
};

// With --cost. `trained`: values that train.
report::Record cost_record(const eval::Cost& cost, int64_t trained, double pairs_per_second,
                           int64_t peak_bytes);

// Rows a script can rely on, a direction each: who, on what, which way, the figures and intervals,
// and the paper's figures of the same system.
std::vector<report::Record> records(const Row& row);

// For people: figures with their intervals under them, and the rows of the paper's table for the
// first one's protocol; then the costs, where there are some.
struct Tables {
  std::string text, latex;
};
Tables tables(const std::vector<Row>& rows);

}  // namespace vtr::cli
