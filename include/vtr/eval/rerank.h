// Post-processing of scores. Off by default: it looks at more than one query and the gallery, that
// is at the other queries of the test or at a bank of training queries, so that its figures are not
// those of retrieval by itself; every output calls them transductive.
//
//   rerankers().find("dsl").apply(options, {.sim = sim.to(torch::kDouble)})
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"
#include "vtr/eval/evaluator.h"

#include <functional>
#include <optional>
#include <string>

namespace vtr::eval {

// Queries are rows: texts, or videos when texts are looked for.
struct RerankInput {
  Tensor sim;     // [Q queries, C candidates] float64
  Tensor bank{};  // [B, C] float64: training queries and the same candidates
};

// Has the options `beta`, the inverse temperature (0: the model's), and `choose`, the ones to try.
struct RerankEntry {
  std::string name, summary;
  bool reads_bank;
  config::Schema schema;
  Tensor (*apply)(const config::Node& options, const RerankInput& input);  // [Q, C] float64
};

const Table<RerankEntry>& rerankers();

// What they all have.
struct RerankOptions {
  double beta = 0;
  std::vector<std::string> choose;
  void fields(auto& f) {
    f("beta", beta, "inverse temperature of the scores; 0: the model's own", config::at_least(0));
    f("choose", choose,
      "inverse temperatures to try: that of the best R@1, both ways, on the validation split");
  }
};

// Where else post-processing looks. Both take time: they are called when they are needed.
struct RerankSources {
  std::function<SplitStates(int64_t videos)> bank;        // so many training videos, drawn
  std::function<std::optional<Evaluation>()> validation;  // none: there is no such split
};

struct Reranked {
  Tensor t2v, v2t;        // [N texts, M videos], [M, N] float64
  config::Choice choice;  // with the temperature that was used
};

// Throws Error for what the split does not allow: no validation split where one must choose, one
// that is the test's, numbers of texts and videos that no one-to-one matching has.
Reranked rerank(const config::Choice& choice, const Encoding& encoding, const Evaluation& split,
                const RerankSources& sources, int64_t workspace_mb);

}  // namespace vtr::eval
