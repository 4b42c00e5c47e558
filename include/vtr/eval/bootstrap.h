// How sure a metric is of itself: the bootstrap over queries (Efron, 1979), as percentiles.
//
// Queries are drawn with replacement, as many as there are; with several captions a video each is a
// query by itself. What is drawn is a function of the seed alone.
#pragma once

#include "vtr/eval/metrics.h"

#include <string>
#include <vector>

namespace vtr::eval {

struct Resampling {
  int64_t resamples = 1000;
  uint64_t seed = 1;
};

struct Interval {
  Metrics low, high;  // percentiles 2.5 and 97.5 of each metric
};

Interval bootstrap(const Ranks& ranks, const Resampling& how);

// One metric of the same queries in two evaluations. `p`, two-sided: how often, of the resamples, a
// difference fell on the other side of 0.
struct Difference {
  std::string metric;
  double a = 0, b = 0, low = 0, high = 0, p = 1;
  double value() const { return b - a; }
};

// Of every metric; a query is drawn for both at once. Throws Error when they rank other queries.
std::vector<Difference> paired_bootstrap(const Ranks& a, const Ranks& b, const Resampling& how);

// The exact sign test: of the queries whose ranks differ, how many got better (a smaller rank in b)
// and worse, and the two-sided p of so uneven a split under a fair coin.
struct SignTest {
  int64_t better = 0, worse = 0, equal = 0;
  double p = 1;
};
SignTest sign_test(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace vtr::eval
