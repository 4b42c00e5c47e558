// Two evaluations of the same queries: is one better, and where.
//
//   const Comparison c = compare(read_results("a/eval/1k-A"), read_results("b/eval/1k-A"), {});
#pragma once

#include "vtr/eval/results.h"

namespace vtr::eval {

// A query whose rank changed.
struct Moved {
  std::string query;  // a caption, or a video's id
  double from = 0, to = 0;
};

struct Comparison {
  std::vector<Difference> differences;  // of every metric, b - a
  SignTest signs;
  std::vector<Moved> better, worse;  // by how much, the most first
};

struct BothComparisons {
  Comparison t2v, v2t;
};

// The `moved` queries that moved most are kept, each way. Throws Error when the two were not
// evaluated by one protocol on the same queries, and says what differs.
BothComparisons compare(const StoredResults& a, const StoredResults& b, const Resampling& how,
                        int64_t moved = 10);

}  // namespace vtr::eval
