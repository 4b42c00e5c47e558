// Words against frames one by one, for the heads that compare them so.
#pragma once

#include "vtr/models/features.h"

namespace vtr::models {

// The words of a batch as [B, L, D] and [B, L], brought to a common length with zeros that are no
// words, so that the states of several batches fit together.
struct Words {
  Tensor tokens, mask;
};
Words words_of(const TextFeatures& features, int64_t length);

// words [N, L, D], frames [M, T, D] -> their inner products [N, L, M, T].
Tensor interactions(const Tensor& words, const Tensor& frames);

// softmax(scale * x) over `dim`, zero where `dropped` (bool, broadcast; undefined: nowhere).
Tensor softmax_kept(const Tensor& x, double scale, const Tensor& dropped, int64_t dim);

}  // namespace vtr::models
