// Attention among the tokens of sequences with padding, with what of a temporal encoding acts
// inside it: queries and keys are turned, logits biased.
#pragma once

#include "temporal/temporal.h"

namespace vtr::models {

class PlacedAttention {
 public:
  // positions [M or 1, L], mask [M, L] bool: true where there is a token. A padded key's logit is
  // lowered by `lowered`.
  PlacedAttention(TemporalEncoding& temporal, const Tensor& positions, const Tensor& mask,
                  double lowered);
  // q, k, v [M, L, H, d] -> [M, L, H d]; `dropout`, while training, is of the weights.
  Tensor operator()(const Tensor& q, const Tensor& k, const Tensor& v, double dropout = 0) const;

 private:
  TemporalEncoding& temporal_;
  Tensor positions_, added_;  // added to the logits: [M, H or 1, L or 1, L]
};

// The chosen encoding of positions 1 .. context.frames. Its learned table starts at N(0, 0.02), as
// CLIP4Clip's and BERT's: it is added to features that no LayerNorm has scaled.
std::shared_ptr<TemporalEncoding> make_encoding(const std::string& name,
                                                const TemporalContext& context);

}  // namespace vtr::models
