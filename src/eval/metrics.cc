#include "vtr/eval/metrics.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace vtr::eval {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

template <class T>
std::vector<T> to_vector(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return {flat.const_data_ptr<T>(), flat.const_data_ptr<T>() + flat.numel()};
}

// [N] bool: not padding.
Tensor is_query(const Tensor& scores) { return scores.ne(kNone).any(1); }

// What comes before each query's own column, of those with an equal score: [N] double.
Tensor places_taken(const Tensor& equal, const Tensor& target, Ties ties) {
  if (ties == Ties::by_index) {
    const Tensor before = torch::arange(equal.size(1)) < target.unsqueeze(1);
    return equal.logical_and(before).sum(1).to(torch::kDouble);
  }
  const Tensor others = equal.sum(1).to(torch::kDouble) - 1;
  if (ties == Ties::optimistic) return torch::zeros_like(others);
  return ties == Ties::pessimistic ? others : others / 2;
}

// scores [N, M], target [N]: 1 + how many are better + how many equal ones come before.
Ranks rank_rows(const Tensor& scores, const Tensor& target, Ties ties) {
  const Tensor rows = is_query(scores).nonzero().flatten(), columns = target.index_select(0, rows);
  const Tensor kept = rows.numel() < scores.size(0) ? scores.index_select(0, rows) : scores;
  const Tensor own = kept.gather(1, columns.unsqueeze(1));
  const Tensor better = kept.gt(own).sum(1), equal = kept.eq(own);
  if (ties != Ties::legacy) {
    return {to_vector<double>(1 + better + places_taken(equal, columns, ties)),
            to_vector<int64_t>(rows)};
  }
  const Tensor shared = equal.sum(1);  // places of the tie, the own one among them
  const Tensor first = torch::cumsum(shared, 0) - shared;
  const Tensor query = torch::repeat_interleave(shared);
  const Tensor place = torch::arange(query.size(0)) - first.index_select(0, query);
  return {to_vector<double>((1 + better.index_select(0, query) + place).to(torch::kDouble)),
          to_vector<int64_t>(rows.index_select(0, query))};
}

Tensor checked(const Tensor& sim) {
  check_scores(sim, [](int64_t text, int64_t video) {
    return fmt::format("text {} and video {}", text, video);
  });
  return sim.to(torch::kCPU);
}

const std::map<std::string, Ties> kTies = {{"average", Ties::average},
                                           {"optimistic", Ties::optimistic},
                                           {"pessimistic", Ties::pessimistic},
                                           {"by_index", Ties::by_index},
                                           {"legacy", Ties::legacy}};

}  // namespace

const std::vector<std::string>& ties_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, ties] : kTies) result.push_back(name);
    return result;
  }();
  return names;
}

Ties ties_named(const std::string& name) {
  VTR_CHECK(kTies.contains(name), "eval.ties: '{}' is not one of {}", name,
            fmt::join(ties_names(), ", "));
  return kTies.at(name);
}

std::vector<double> Ranks::per_query() const {
  std::map<int64_t, std::pair<double, double>> sums;
  for (size_t i = 0; i < rank.size(); ++i) {
    auto& [sum, count] = sums[query[i]];
    sum += rank[i];
    ++count;
  }
  std::vector<double> means;
  for (const auto& [which, sum] : sums) means.push_back(sum.first / sum.second);
  return means;
}

Ranks sorted(Ranks ranks) {
  std::vector<size_t> order(ranks.rank.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return ranks.rank[i]; });
  Ranks result{{}, {}, ranks.lower_median};
  for (const size_t i : order) {
    result.rank.push_back(ranks.rank[i]);
    result.query.push_back(ranks.query[i]);
  }
  return result;
}

Metrics summarize_sorted(const Ranks& ranks, const std::vector<int64_t>& counts) {
  int64_t all = 0, below[4] = {};
  constexpr double kAt[] = {1, 5, 10, 50};
  double sum = 0;
  for (size_t i = 0; i < ranks.rank.size(); ++i) {
    const int64_t count = counts[static_cast<size_t>(ranks.query[i])];
    all += count;
    sum += static_cast<double>(count) * ranks.rank[i];
    for (int k = 0; k < 4; ++k) below[k] += ranks.rank[i] <= kAt[k] ? count : 0;
  }
  VTR_CHECK(all > 0, "there is no query to evaluate");
  // The values of the places (all - 1) / 2 and all / 2, counted from 0.
  double middle[2] = {};
  int64_t seen = 0;
  for (size_t i = 0; i < ranks.rank.size() && seen <= all / 2; ++i) {
    const int64_t end = seen + counts[static_cast<size_t>(ranks.query[i])];
    if (seen <= (all - 1) / 2 && (all - 1) / 2 < end) middle[0] = ranks.rank[i];
    if (seen <= all / 2 && all / 2 < end) middle[1] = ranks.rank[i];
    seen = end;
  }
  const auto percent = [&](int64_t n) {
    return 100 * static_cast<double>(n) / static_cast<double>(all);
  };
  return {.queries = std::accumulate(counts.begin(), counts.end(), int64_t{0}),
          .r1 = percent(below[0]),
          .r5 = percent(below[1]),
          .r10 = percent(below[2]),
          .r50 = percent(below[3]),
          .mdr = ranks.lower_median ? middle[0] : (middle[0] + middle[1]) / 2,
          .mnr = sum / static_cast<double>(all)};
}

Metrics summarize(const Ranks& ranks) {
  VTR_CHECK(!ranks.rank.empty(), "there is no query to evaluate");
  std::vector<int64_t> once(static_cast<size_t>(*std::ranges::max_element(ranks.query) + 1));
  for (const int64_t query : ranks.query) once[static_cast<size_t>(query)] = 1;
  return summarize_sorted(sorted(ranks), once);
}

void check_scores(const Tensor& sim, const std::function<std::string(int64_t, int64_t)>& pair) {
  const Tensor scores = sim.to(torch::kCPU);
  const Tensor wrong = scores.isfinite().logical_not().logical_and(is_query(scores).unsqueeze(1));
  if (!wrong.any().item<bool>()) return;
  const Tensor first = wrong.nonzero()[0];
  const auto text = first[0].item<int64_t>(), video = first[1].item<int64_t>();
  throw Error(fmt::format(
      "the score of {} is {}: the weights or the video's features are broken ({} such scores)",
      pair(text, video), scores[text][video].item<double>(), wrong.sum().item<int64_t>()));
}

Ranks ranks_t2v(const Tensor& sim, const Tensor& target, Ties ties) {
  // CLIP4Clip's program has other code for splits with several captions a video.
  const bool several = ties == Ties::legacy && !target.equal(torch::arange(sim.size(1)));
  Ranks ranks = rank_rows(checked(sim), target, several ? Ties::by_index : ties);
  ranks.lower_median = several;
  return ranks;
}

Tensor by_best_caption(const Tensor& sim, const Tensor& target) {
  const int64_t videos = sim.size(1);
  const Tensor best =
      torch::full({videos, videos}, kNone, sim.scalar_type())
          .scatter_reduce(0, target.unsqueeze(1).expand({-1, videos}), sim.to(torch::kCPU), "amax");
  const Tensor silent = is_query(best).logical_not().nonzero();
  VTR_CHECK(silent.numel() == 0, "video {} has no text: from it nothing can be found",
            silent[0][0].item<int64_t>());
  return best.t().contiguous();
}

Ranks ranks_v2t(const Tensor& sim, const Tensor& target, Ties ties) {
  return rank_rows(by_best_caption(checked(sim), target), torch::arange(sim.size(1)), ties);
}

}  // namespace vtr::eval
