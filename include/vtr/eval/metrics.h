// Retrieval metrics from a similarity matrix.
//
// Tie policy, unless another is asked for: the rank of a video among equal scores is the mean of
// the places they share (two equal best: rank 1.5), so a model that gives everything one score is
// at the middle, and R@1 counts a query only when its video stands alone in front. NaN is refused.
#pragma once

#include "vtr/core/tensor.h"

#include <cstdint>
#include <vector>

namespace vtr::eval {

struct Metrics {
  int64_t queries = 0;
  double r1 = 0, r5 = 0, r10 = 0, r50 = 0;  // percent of the queries
  double mdr = 0, mnr = 0;                  // median and mean rank, from 1
};

Metrics summarize(const std::vector<double>& ranks);

// How equal scores are ranked: at the mean of the places they share, or in the order of their
// columns, as a stable descending sort of the row does (X-Pool's).
enum class Ties { average, by_index };

// The rank of every text's own video: sim [N texts, M videos], target [N] int64 its column.
std::vector<double> ranks_t2v(const Tensor& sim, const Tensor& target, Ties ties = Ties::average);

// The rank of every video among the videos seen from it: a video stands for its best caption (the
// maximum over its captions, as CLIP4Clip and X-Pool do). With one caption a video: the transpose.
std::vector<double> ranks_v2t(const Tensor& sim, const Tensor& target);

}  // namespace vtr::eval
