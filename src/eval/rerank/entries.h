// The entries of the table of post-processings.
#pragma once

#include "vtr/eval/rerank.h"

namespace vtr::eval {

RerankEntry dsl_rerank();
RerankEntry qb_norm_rerank();
RerankEntry sinkhorn_rerank();
RerankEntry hungarian_rerank();

// Throws Error where exponentials of beta times these scores leave what a float64 holds.
void require_held(double beta, const std::vector<Tensor>& scores);

template <class Options>
RerankEntry rerank_entry(std::string name, std::string summary, bool reads_bank,
                         Tensor (*apply)(const config::Node&, const RerankInput&)) {
  return {std::move(name), std::move(summary), reads_bank, config::schema<Options>(), apply};
}

}  // namespace vtr::eval
