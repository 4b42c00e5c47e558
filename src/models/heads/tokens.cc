#include "heads/tokens.h"

#include <torch/types.h>

#include <limits>

namespace vtr::models {

Words words_of(const TextFeatures& features, int64_t length) {
  const int64_t more = length - features.tokens.size(1);
  if (more <= 0) return {features.tokens, features.mask};
  return {torch::constant_pad_nd(features.tokens, {0, 0, 0, more}),
          torch::constant_pad_nd(features.mask, {0, more})};
}

Tensor interactions(const Tensor& words, const Tensor& frames) {
  const Tensor flat = words.flatten(0, 1).matmul(frames.flatten(0, 1).t());
  return flat.view({words.size(0), words.size(1), frames.size(0), frames.size(1)});
}

Tensor softmax_kept(const Tensor& x, double scale, const Tensor& dropped, int64_t dim) {
  Tensor logits = x * scale;
  if (dropped.defined()) logits.masked_fill_(dropped, -std::numeric_limits<double>::infinity());
  return logits.softmax(dim);
}

}  // namespace vtr::models
