#include "vtr/eval/compare.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vtr::eval {
namespace {

void check_protocols(const StoredResults& a, const StoredResults& b) {
  std::string differing;
  for (const auto& [name, field] : kProtocol) {
    const std::string &here = a.protocol.*field, &there = b.protocol.*field;
    if (here != there) differing += fmt::format("; {}: {}, {}", name, here, there);
  }
  VTR_CHECK(differing.empty(), "{} and {}: not evaluated alike, so not compared{}",
            a.folder.string(), b.folder.string(), differing);
  VTR_CHECK(a.protocol.ties != "legacy",
            "{}: eval.ties=legacy gives a query no rank of its own to compare; evaluate both by "
            "another rule",
            a.folder.string());
}

Ranks as_ranks(const std::vector<double>& rank) {
  Ranks ranks{rank, std::vector<int64_t>(rank.size())};
  std::iota(ranks.query.begin(), ranks.query.end(), int64_t{0});
  return ranks;
}

// By the ratio of the ranks: from 2 to 1 is more than from 102 to 101.
std::vector<Moved> most_moved(std::vector<Moved> all, int64_t count) {
  const auto distance = [](const Moved& m) { return -std::abs(std::log(m.to / m.from)); };
  std::ranges::stable_sort(all, {}, distance);
  all.resize(std::min(all.size(), static_cast<size_t>(count)));
  return all;
}

Comparison compare_way(const std::vector<double>& a, const std::vector<double>& b,
                       const std::vector<std::string>& queries, const Resampling& how,
                       int64_t moved) {
  Comparison result;
  result.differences = paired_bootstrap(as_ranks(a), as_ranks(b), how);
  result.signs = sign_test(a, b);
  std::vector<Moved> better, worse;
  for (size_t q = 0; q < a.size(); ++q) {
    if (a[q] != b[q]) (b[q] < a[q] ? better : worse).push_back({queries[q], a[q], b[q]});
  }
  result.better = most_moved(std::move(better), moved);
  result.worse = most_moved(std::move(worse), moved);
  return result;
}

}  // namespace

BothComparisons compare(const StoredResults& a, const StoredResults& b, const Resampling& how,
                        int64_t moved) {
  check_protocols(a, b);
  return {compare_way(a.t2v_rank, b.t2v_rank, a.texts, how, moved),
          compare_way(a.v2t_rank, b.v2t_rank, a.videos, how, moved)};
}

}  // namespace vtr::eval
