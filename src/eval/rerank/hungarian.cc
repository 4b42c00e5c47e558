// One-to-one matching of the largest total score: shortest augmenting paths (Jonker and Volgenant,
// 1987), O(Q^2 C). A query's match comes first, the other candidates behind it as they were.
#include "rerank/entries.h"

#include "vtr/core/error.h"

#include <ATen/ATen.h>

#include <limits>
#include <vector>

namespace vtr::eval {
namespace {

// Rows enter one by one; a row's path to a free column runs over reduced costs that are never
// negative. Index 0 of `match_` stands for no row, and column 0 for the start of a path.
class Matching {
 public:
  explicit Matching(const Tensor& cost)
      : cost_(cost.contiguous()),
        columns_(static_cast<size_t>(cost.size(1))),
        row_price_(static_cast<size_t>(cost.size(0)) + 1),
        column_price_(columns_ + 1),
        match_(columns_ + 1),
        from_(columns_ + 1) {
    for (size_t row = 1; row < row_price_.size(); ++row) add(row);
  }
  // [Q] int64: the column of each row.
  Tensor columns() const {
    Tensor result = at::empty({static_cast<int64_t>(row_price_.size()) - 1}, at::kLong);
    for (size_t j = 1; j <= columns_; ++j) {
      if (match_[j] > 0) {
        result.mutable_data_ptr<int64_t>()[match_[j] - 1] = static_cast<int64_t>(j - 1);
      }
    }
    return result;
  }

 private:
  void add(size_t row) {
    constexpr double kFar = std::numeric_limits<double>::infinity();
    std::vector<double> distance(columns_ + 1, kFar);
    std::vector<char> reached(columns_ + 1);
    match_[0] = row;
    size_t column = 0;
    while (match_[column] != 0) {
      reached[column] = true;
      const size_t i = match_[column];
      const double* cost = cost_.const_data_ptr<double>() + (i - 1) * columns_;
      double step = kFar;
      size_t next = 0;
      for (size_t j = 1; j <= columns_; ++j) {
        if (reached[j]) continue;
        const double reduced = cost[j - 1] - row_price_[i] - column_price_[j];
        if (reduced < distance[j]) distance[j] = reduced, from_[j] = column;
        if (distance[j] < step) step = distance[j], next = j;
      }
      for (size_t j = 0; j <= columns_; ++j) {
        if (reached[j]) {
          row_price_[match_[j]] += step;
          column_price_[j] -= step;
        } else {
          distance[j] -= step;
        }
      }
      column = next;
    }
    for (; column != 0; column = from_[column]) match_[column] = match_[from_[column]];
  }

  Tensor cost_;
  size_t columns_;
  std::vector<double> row_price_, column_price_;
  std::vector<size_t> match_, from_;  // of each column: its row; the column before it on the path
};

Tensor hungarian(const config::Node&, const RerankInput& input) {
  const int64_t queries = input.sim.size(0), candidates = input.sim.size(1);
  VTR_CHECK(queries == candidates,
            "eval.rerank: hungarian matches one to one, the split has {} queries for {} candidates",
            queries, candidates);
  const Tensor matched = Matching(-input.sim).columns().unsqueeze(1);
  const Tensor first = std::get<0>(input.sim.max(1, /*keepdim=*/true)) + 1;
  return input.sim.scatter(1, matched, first);
}

}  // namespace

RerankEntry hungarian_rerank() {
  return rerank_entry<config::NoOptions>(
      "hungarian",
      "one-to-one matching of the largest total score: a query's match first, the rest as it was",
      false, hungarian);
}

}  // namespace vtr::eval
