#include "vtr/eval/metrics.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <algorithm>
#include <numeric>

namespace vtr::eval {
namespace {

// scores [N, M], target [N]: 1 + how many are better + half of those equal, or all of those equal
// that come before.
std::vector<double> ranks(const Tensor& scores, const Tensor& target, Ties ties = Ties::average) {
  const Tensor own = scores.gather(1, target.unsqueeze(1));
  const Tensor better = scores.gt(own).sum(1).to(torch::kDouble);
  const Tensor equal = scores.eq(own);  // [N, M], itself among them
  const Tensor before = torch::arange(scores.size(1)) < target.unsqueeze(1);
  const Tensor tied = ties == Ties::by_index ? equal.logical_and(before).sum(1).to(torch::kDouble)
                                             : (equal.sum(1).to(torch::kDouble) - 1) / 2;
  const Tensor rank = (1 + better + tied).contiguous();
  return {rank.data_ptr<double>(), rank.data_ptr<double>() + rank.numel()};
}

Tensor checked(const Tensor& sim) {
  VTR_CHECK(
      sim.isfinite().all().item<bool>(),
      "the similarity matrix holds NaN or infinity: the weights or a video's features are broken");
  return sim.to(torch::kCPU);
}

}  // namespace

Metrics summarize(const std::vector<double>& ranks) {
  VTR_CHECK(!ranks.empty(), "there is no query to evaluate");
  std::vector<double> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  const auto recall = [&](double k) {
    return 100 *
           static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), k) - sorted.begin()) /
           n;
  };
  const size_t half = sorted.size() / 2;
  return {.queries = static_cast<int64_t>(sorted.size()),
          .r1 = recall(1),
          .r5 = recall(5),
          .r10 = recall(10),
          .r50 = recall(50),
          .mdr = sorted.size() % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2,
          .mnr = std::accumulate(sorted.begin(), sorted.end(), 0.0) / n};
}

std::vector<double> ranks_t2v(const Tensor& sim, const Tensor& target, Ties ties) {
  return ranks(checked(sim), target, ties);
}

std::vector<double> ranks_v2t(const Tensor& sim, const Tensor& target) {
  const int64_t videos = sim.size(1);
  // best [M captions' videos, M]: the maximum over the captions of each video
  const Tensor best =
      torch::full({videos, videos}, -std::numeric_limits<float>::infinity(), torch::kFloat)
          .scatter_reduce(0, target.unsqueeze(1).expand({-1, videos}), checked(sim), "amax");
  return ranks(best.t(), torch::arange(videos));
}

}  // namespace vtr::eval
