// Single queries of an evaluation, text to video, seen close: which were answered best and worst,
// the frames of the videos that answered, and what their heads weighed those with.
//
//   const auto all = answers(result);
//   const auto seen = look(encoding, result.readable, features, pairs_of(worst(all, 5)));
#pragma once

#include "vtr/eval/evaluator.h"

#include <compare>
#include <map>
#include <vector>

namespace vtr::eval {

struct Answer {
  int64_t text = 0;          // the query, of the readable videos' captions
  int64_t target = 0;        // its own video, of the readable ones
  int64_t rival = 0;         // the best of the others; with one video alone: itself
  double rank = 0;           // of its own
  float own = 0, other = 0;  // scores
  bool wrong() const { return rank > 1; }
  float margin() const { return own - other; }
};

// Of every query, in their order.
std::vector<Answer> answers(const Evaluation& result);
// The `count` right ones with the largest margin; and the wrong ones of the largest rank, of equal
// ones those with the smallest margin first.
std::vector<Answer> best(const std::vector<Answer>& answers, int64_t count);
std::vector<Answer> worst(const std::vector<Answer>& answers, int64_t count);

// Scores as a picture of at most `side` x `side` points, the largest of what falls together: [h, w]
// float in [0, 1], 0 the smallest and 1 the largest of all. Each text's own video is near the
// diagonal.
Tensor heat_map(const Tensor& sim, int64_t side);

struct Pair {
  int64_t text = 0, video = 0;
  auto operator<=>(const Pair&) const = default;
};

struct Closeup {
  // Those that could be read, as the model is shown them: [T, 3, R, R], [T], [T].
  std::map<int64_t, data::VideoBatch> videos;
  // [T] each; none: the head weighs no frames, or the video could not be read.
  std::map<Pair, models::Explanation> pairs;
};

// Decodes the videos of the pairs and no others. `features`: those of `readable`, or null.
Closeup look(const Encoding& encoding, const data::Manifest& readable, const Features* features,
             const std::vector<Pair>& pairs);

}  // namespace vtr::eval
