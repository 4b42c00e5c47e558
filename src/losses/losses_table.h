// The losses of the table, and what several of them share.
#pragma once

#include "vtr/losses/losses.h"

namespace vtr::losses {

LossEntry symmetric_ce_loss();
LossEntry max_margin_loss();
LossEntry dual_softmax_loss();

struct LossOptions {
  std::string reduction = "mean";
  bool mask_duplicates = true;
  void fields(auto& f) {
    f("reduction", reduction, "of the two directions: half their sum, or their sum",
      config::one_of({"mean", "sum"}));
    f("mask_duplicates", mask_duplicates,
      "two captions of one video are not each other's negatives (the peers: false)");
  }
  // Of the two directions, scalars.
  Tensor reduced(const Tensor& t2v, const Tensor& v2t) const;
  // [B, B] bool, true where a pair is no negative; or undefined: all are.
  Tensor left_out(const LossInput& input) const;
};

struct ScaledOptions : LossOptions {
  double scale = 0;
  void fields(auto& f) {
    f("scale", scale, "inverse temperature of the cosines; 0: the learned one",
      config::at_least(0));
    LossOptions::fields(f);
  }
  Tensor logits(const LossInput& input) const;  // [B, B] float32
};

// Mean cross-entropy of the rows, the diagonal the target; an entry of -inf is left out.
Tensor diagonal_ce(const Tensor& logits);  // [B, B] -> scalar

template <class Options>
LossEntry loss_entry(std::string name, std::string summary,
                     Tensor (*value)(const Options&, const LossInput&)) {
  return {std::move(name), std::move(summary), config::schema<Options>(),
          [value](const config::Node& node) -> Loss {
            const auto options = config::read<Options>(node, "train.loss");
            return [options, value](const LossInput& input) { return value(options, input); };
          }};
}

}  // namespace vtr::losses
