#include "losses_table.h"

#include <torch/torch.h>

namespace vtr::losses {
namespace {

struct Options {
  bool mask_duplicates = true;
  void fields(auto& f) {
    f("mask_duplicates", mask_duplicates,
      "two captions of one video are not each other's negatives (the peers: false)");
  }
};

// 1/2 [CE(rows of e^ls sim) + CE(columns)], the diagonal the target: CLIP, Radford et al., ICML
// 2021.
Tensor symmetric_ce(const Options& options, const LossInput& input) {
  Tensor logits = input.sim.to(torch::kFloat) * input.logit_scale.exp();
  if (options.mask_duplicates && input.duplicates.defined()) {
    logits = logits.masked_fill(input.duplicates, -std::numeric_limits<double>::infinity());
  }
  const Tensor target = torch::arange(logits.size(0), logits.options().dtype(torch::kLong));
  return (torch::cross_entropy_loss(logits, target) +
          torch::cross_entropy_loss(logits.t(), target)) /
         2;
}

}  // namespace

LossEntry symmetric_ce_loss() {
  return {"symmetric_ce", "cross-entropy over rows and over columns, averaged",
          config::schema<Options>(), [](const config::Node& node) -> Loss {
            const auto options = config::read<Options>(node, "train.loss");
            return [options](const LossInput& input) { return symmetric_ce(options, input); };
          }};
}

}  // namespace vtr::losses
