#include "losses_table.h"

#include <torch/types.h>

namespace vtr::losses {
namespace {

// 1/2 [CE(rows of e^ls sim) + CE(columns)], the diagonal the target: CLIP, Radford et al., ICML
// 2021. The sum at a fixed scale is that of Frozen (20) and STAN (100).
Tensor symmetric_ce(const ScaledOptions& options, const LossInput& input) {
  Tensor logits = options.logits(input);
  if (const Tensor out = options.left_out(input); out.defined()) {
    logits = logits.masked_fill(out, -std::numeric_limits<double>::infinity());
  }
  return options.reduced(diagonal_ce(logits), diagonal_ce(logits.t()));
}

}  // namespace

LossEntry symmetric_ce_loss() {
  return loss_entry<ScaledOptions>("symmetric_ce", "cross-entropy over rows and over columns",
                                   symmetric_ce);
}

}  // namespace vtr::losses
