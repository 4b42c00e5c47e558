#include "losses_table.h"

#include <torch/types.h>

namespace vtr::losses {
namespace {

struct Options : ScaledOptions {
  double temperature = 1000;
  void fields(auto& f) {
    ScaledOptions::fields(f);
    f("temperature", temperature, "of the prior's softmax, over the scaled similarities",
      config::at_least(1e-6));
  }
};

// One direction: cross-entropy of the rows, weighted by the columns' softmax, whose mean is brought
// to 1.
Tensor direction(const Tensor& logits, double temperature, const Tensor& out) {
  Tensor weighted = dual_softmax(logits, temperature, out);
  if (!out.defined()) return diagonal_ce(weighted * logits.size(0));
  weighted = weighted * out.logical_not().sum(0);
  return diagonal_ce(weighted.masked_fill(out, -std::numeric_limits<double>::infinity()));
}

// CAMoE's: Cheng et al., "Improving Video-Text Retrieval by Multi-Stream Corpus Alignment and Dual
// Softmax Loss", 2021.
Tensor dual_softmax_ce(const Options& options, const LossInput& input) {
  const Tensor logits = options.logits(input), out = options.left_out(input);
  return options.reduced(direction(logits, options.temperature, out),
                         direction(logits.t(), options.temperature, out.defined() ? out.t() : out));
}

}  // namespace

Tensor dual_softmax(const Tensor& sim, double temperature, const Tensor& left_out) {
  Tensor prior = sim / temperature;
  if (left_out.defined()) {
    prior = prior.masked_fill(left_out, -std::numeric_limits<double>::infinity());
  }
  return sim * prior.softmax(0);
}

LossEntry dual_softmax_loss() {
  return loss_entry<Options>("dual_softmax",
                             "symmetric cross-entropy of similarities weighted by the other "
                             "direction's softmax (CAMoE)",
                             dual_softmax_ce);
}

}  // namespace vtr::losses
