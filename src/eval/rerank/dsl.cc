// Dual softmax (Cheng et al., 2021, CAMoE), as TS2-Net's program applies it at inference: a score
// times how much of its candidate's mass, among all queries, is the query's.
#include "rerank/entries.h"

#include <ATen/ATen.h>

namespace vtr::eval {

static Tensor dsl(const config::Node& options, const RerankInput& input) {
  const auto beta = options["beta"].as<double>();
  require_held(beta, {input.sim});
  const Tensor scaled = input.sim * beta;
  return scaled * scaled.softmax(0);
}

RerankEntry dsl_rerank() {
  return rerank_entry<RerankOptions>(
      "dsl", "dual softmax: S * softmax(S) over all test queries, S scaled by beta", false, dsl);
}

}  // namespace vtr::eval
