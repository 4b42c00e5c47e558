#include "losses_table.h"

#include "vtr/core/error.h"

#include <torch/types.h>

namespace vtr::losses {
namespace {

struct Options : LossOptions {
  double margin = 0.05;
  bool diagonal = false;
  double hard_negatives = 0;
  void fields(auto& f) {
    f("margin", margin, "by which a pair's similarity should exceed its negatives'",
      config::at_least(0));
    LossOptions::fields(f);
    f("diagonal", diagonal, "the mean counts the pairs themselves too, at the margin each");
    f("hard_negatives", hard_negatives,
      "share of the weight for pairs of one video, the rest for those of two; 0: all alike",
      config::between(0, 1));
  }
  void check(const std::string& path) const {
    VTR_CHECK(hard_negatives == 0 || !mask_duplicates,
              "{}.hard_negatives: {} weighs pairs that {}.mask_duplicates leaves out; set it false",
              path, hard_negatives, path);
  }
};

// `share` of the weight for the pairs of one video among the counted, the rest for the others; all
// 1 when there are only pairs of one of the two kinds. counted, same [B, B] bool.
Tensor weights(const Tensor& counted, const Tensor& same, double share) {
  const Tensor hard = (counted & same).to(torch::kFloat);
  const Tensor easy = (counted & same.logical_not()).to(torch::kFloat);
  const Tensor n = hard.sum(), m = easy.sum(), all = n + m;
  const Tensor weighed =
      hard * (share * all / n.clamp_min(1)) + easy * ((1 - share) * all / m.clamp_min(1));
  return torch::where(n * m > 0, weighed, hard + easy);
}

// Mean over the negatives of max(0, margin + s_ij - s_ii) and max(0, margin + s_ij - s_jj). As it
// stands MMT's (Gabeur et al., ECCV 2020); with the diagonal MoEE's (Miech et al., 2018), whose
// sum, with hard negatives, is HowTo100M's (Miech et al., ICCV 2019).
Tensor max_margin(const Options& options, const LossInput& input) {
  const Tensor sim = input.sim.to(torch::kFloat), own = sim.diagonal();  // [B, B], [B]
  const Tensor itself = torch::eye(sim.size(0), sim.options().dtype(torch::kBool));
  Tensor counted = options.diagonal ? torch::ones_like(itself) : itself.logical_not();
  if (const Tensor out = options.left_out(input); out.defined()) {
    counted = counted & out.logical_not();
  }
  Tensor weight = counted.to(torch::kFloat);
  if (options.hard_negatives > 0 && input.duplicates.defined()) {
    weight = weights(counted, input.duplicates | itself, options.hard_negatives);
  }
  const auto mean = [&](const Tensor& hinge) {  // [B, B] -> scalar
    return (weight * hinge).sum() / counted.sum().clamp_min(1);
  };
  return options.reduced(mean((options.margin + sim - own.unsqueeze(1)).relu()),
                         mean((options.margin + sim - own.unsqueeze(0)).relu()));
}

}  // namespace

LossEntry max_margin_loss() {
  return loss_entry<Options>("max_margin", "hinge over the negatives of both directions (MMT)",
                             max_margin);
}

}  // namespace vtr::losses
