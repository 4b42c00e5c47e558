#include "vtr/losses/losses.h"

#include "losses_table.h"

#include <torch/types.h>

namespace vtr::losses {

const Table<LossEntry>& losses() {
  static const Table<LossEntry> table(
      "loss", {symmetric_ce_loss(), max_margin_loss(), dual_softmax_loss()});
  return table;
}

Loss make_loss(const config::Choice& choice) {
  return losses().find(choice.name).make(choice.options);
}

Tensor LossOptions::reduced(const Tensor& t2v, const Tensor& v2t) const {
  return reduction == "sum" ? t2v + v2t : (t2v + v2t) / 2;
}

Tensor LossOptions::left_out(const LossInput& input) const {
  return mask_duplicates ? input.duplicates : Tensor();
}

Tensor ScaledOptions::logits(const LossInput& input) const {
  const Tensor sim = input.sim.to(torch::kFloat);
  return scale > 0 ? sim * scale : sim * input.logit_scale.exp();
}

Tensor diagonal_ce(const Tensor& logits) {
  return torch::cross_entropy_loss(
      logits, torch::arange(logits.size(0), logits.options().dtype(torch::kLong)));
}

}  // namespace vtr::losses
