// Optimal transport with entropy (Cuturi, NIPS 2013): every query has the same mass, and every
// candidate. The result is the logarithm of the plan, after a last step over the candidates.
#include "rerank/entries.h"

#include <ATen/ATen.h>

#include <cmath>

namespace vtr::eval {
namespace {

struct SinkhornOptions : RerankOptions {
  int64_t iterations = 10;
  void fields(auto& f) {
    RerankOptions::fields(f);
    f("iterations", iterations, "over queries and candidates in turn", config::at_least(1));
  }
};

Tensor sinkhorn(const config::Node& node, const RerankInput& input) {
  const auto options = config::read<SinkhornOptions>(node, "eval.rerank");
  Tensor plan = options.beta * input.sim;
  const double query = -std::log(static_cast<double>(plan.size(0)));
  const double candidate = -std::log(static_cast<double>(plan.size(1)));
  for (int64_t i = 0; i < options.iterations; ++i) {
    plan = plan - plan.logsumexp(1, /*keepdim=*/true) + query;
    plan = plan - plan.logsumexp(0, /*keepdim=*/true) + candidate;
  }
  return plan;
}

}  // namespace

RerankEntry sinkhorn_rerank() {
  return rerank_entry<SinkhornOptions>(
      "sinkhorn", "optimal transport between all test queries and all candidates", false, sinkhorn);
}

}  // namespace vtr::eval
