// The tail of the text-conditioned heads (tail.h) with gradients, for training without dropout: the
// same factoring, of sums that LibTorch's products form.
#pragma once

#include "heads/attention.h"

namespace vtr::models {

// The pooled vector of video m and text n: sum_k c[m, n, k] of_video[m, k] + sum_h a[n, m, h]
// of_text[n, h], whose vectors are given by their images [C p | U p], 2 D wide.
struct PooledSums {
  Tensor c, of_video;  // [M, N, K], [M, K, 2 D]
  Tensor a, of_text;   // [N, M, H], [N, H, 2 D], or undefined
};

class PairTail {
 public:
  explicit PairTail(const AttentionParts& parts);
  Tensor images(const Tensor& vectors) const;  // [..., D] -> [..., 2 D]
  // Of vectors that go through W_o, by attention head, without its bias: [B, H, T, d] -> [B, H, T,
  // 2 D].
  Tensor head_images(const Tensor& vectors) const;
  Tensor score(const PooledSums& pooled, const Tensor& text) const;  // text [N, D] -> sim [N, M]

 private:
  AttentionParts parts_;
  Tensor by_head_;  // [H, d, 2 D]
};

}  // namespace vtr::models
