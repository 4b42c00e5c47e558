// Retrieval metrics from a similarity matrix.
//
// Scores are finite. A row of -inf alone is padding, as in the [videos x captions, videos] matrices
// of splits whose videos have different numbers of captions, and no query. Anything else throws
// Error naming the pair.
//
//   const Ranks ranks = ranks_t2v(sim, target, ties_named("average"));
//   const Metrics metrics = summarize(ranks);
#pragma once

#include "vtr/core/tensor.h"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace vtr::eval {

struct Metrics {
  int64_t queries = 0;
  double r1 = 0, r5 = 0, r10 = 0, r50 = 0;  // percent of the queries
  double mdr = 0, mnr = 0;                  // median and mean rank, from 1
};

// Their names, in the order in which they are shown.
constexpr std::array<std::pair<const char*, double Metrics::*>, 6> kMetrics = {
    {{"R@1", &Metrics::r1},
     {"R@5", &Metrics::r5},
     {"R@10", &Metrics::r10},
     {"R@50", &Metrics::r50},
     {"MdR", &Metrics::mdr},
     {"MnR", &Metrics::mnr}}};

// Where equal scores put the right answer:
//   average      the mean of the places they share (two equal best: 1.5), so that a model that
//                gives everything one score is in the middle
//   optimistic   the first of those places (Frozen, CE, All-in-one)
//   pessimistic  the last
//   by_index     in the order of their columns, as a stable descending sort has it (X-Pool)
//   legacy       CLIP4Clip's metrics.py, bug for bug: a tie counts once at every one of its places,
//                and percentages are of those places, not of the queries. Texts of several a video
//                are ranked by_index, and their median is the lower of the middle two.
enum class Ties { average, optimistic, pessimistic, by_index, legacy };
const std::vector<std::string>& ties_names();
Ties ties_named(const std::string& name);  // throws Error

struct Ranks {
  std::vector<double> rank;    // from 1
  std::vector<int64_t> query;  // whose: a row of sim or a video; `legacy` has some several times
  bool lower_median = false;
  std::vector<double> per_query() const;  // the mean of a query's ranks, in the queries' order
};

// The rank of every text's own video: sim [N texts, M videos], target [N] int64 its column.
Ranks ranks_t2v(const Tensor& sim, const Tensor& target, Ties ties = Ties::average);

// The rank of every video among the videos seen from it: a video stands for its best caption (the
// maximum over its captions, as CLIP4Clip and X-Pool do). With one caption a video: the transpose.
Ranks ranks_v2t(const Tensor& sim, const Tensor& target, Ties ties = Ties::average);

// The best caption of every video, from every video: [M videos, M videos' captions].
Tensor by_best_caption(const Tensor& sim, const Tensor& target);

Metrics summarize(const Ranks& ranks);  // throws Error without a query
// The same where query q counts counts[q] times. `ranks` ascending.
Metrics summarize_sorted(const Ranks& ranks, const std::vector<int64_t>& counts);
Ranks sorted(Ranks ranks);

// Throws Error for the first score that may not be; `pair` names its text and video.
void check_scores(const Tensor& sim, const std::function<std::string(int64_t, int64_t)>& pair);

}  // namespace vtr::eval
