// Querybank normalisation (Bogolin et al., CVPR 2022): what a candidate gives to every query of a
// bank is taken off its score (inverted softmax); the dynamic form only where the query's best
// candidate is one that the bank's queries find, too.
#include "rerank/entries.h"

#include <ATen/ATen.h>

namespace vtr::eval {
namespace {

struct QbNormOptions : RerankOptions {
  QbNormOptions() { beta = 20; }
  bool dynamic = true;
  int64_t topk = 1;
  int64_t bank = 1000;
  void fields(auto& f) {
    RerankOptions::fields(f);
    f("dynamic", dynamic,
      "only queries whose best candidate is among a bank query's best; the others keep their "
      "scores");
    f("topk", topk, "candidates of a bank query that count as its best", config::at_least(1));
    f("bank", bank, "training videos, with their captions, that are drawn as the bank; 0: all",
      config::at_least(0));
  }
};

Tensor qb_norm(const config::Node& node, const RerankInput& input) {
  const auto options = config::read<QbNormOptions>(node, "eval.rerank");
  require_held(options.beta, {input.sim, input.bank});
  const Tensor mass = (options.beta * input.bank).logsumexp(0);     // [C]
  const Tensor inverted = (options.beta * input.sim - mass).exp();  // [Q, C]
  if (!options.dynamic) return inverted;
  const int64_t topk = std::min(options.topk, input.bank.size(1));
  const Tensor found = std::get<1>(input.bank.topk(topk, 1)).flatten();
  const Tensor active = at::zeros({input.bank.size(1)}, at::kBool).index_fill_(0, found, true);
  const Tensor concerned = active.index_select(0, input.sim.argmax(1));  // [Q]
  return at::where(concerned.unsqueeze(1), inverted, input.sim);
}

}  // namespace

RerankEntry qb_norm_rerank() {
  return rerank_entry<QbNormOptions>(
      "qb_norm", "querybank normalisation: inverted softmax over a bank of training queries", true,
      qb_norm);
}

}  // namespace vtr::eval
