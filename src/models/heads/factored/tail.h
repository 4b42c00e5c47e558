// The tail of the text-conditioned heads, LN2 -> (I + W) -> LN3 -> cosine, as a function of inner
// products. With C the centring, for a pooled vector p:
//   U p = C (I + W) (g2 * C p),  u0 = C ((I + W) b2 + b),  s2 = (|C p|^2 / D + eps)^-1/2
//   y = s2 U p + u0,             s3 = (|y|^2 / D + eps)^-1/2
//   o = s3 g3 * y + b3,          sim = n(t) . o / |o|
// p is a sum over vectors that belong to the text or to the video alone, so C p and U p are sums of
// images computed once: an image is [C p | U p | U p . u0 | g3 U p . w0 | g3 U p . b3 | 0], w0 = g3
// u0, 2 D + kLines numbers: at 2 D + 3 a matrix product is a third slower. The products of weights
// are formed in float64, everything else in float32.
#pragma once

#include "heads/attention.h"
#include "heads/factored/kernels.h"

namespace vtr::models {

class FactoredTail {
 public:
  static constexpr int64_t kLines = 16;
  explicit FactoredTail(const AttentionParts& parts);
  int64_t image_width() const { return gain_.size(0) + mixing_.size(1); }
  Tensor images(const Tensor& vectors) const;           // of [..., D], of the same dtype
  Tensor head_images(int64_t heads) const;              // through W_o, by head: [H, d, ...]
  Tensor bias_image() const;                            // of W_o's bias
  const Tensor& out() const { return out_; }            // W_o^T [D, D], float64
  const Tensor& out_bias() const { return out_bias_; }  // [D], float64
  const Tensor& gain() const { return gain_; }          // g3 [D]
  const factored::TailConstants& constants() const { return constants_; }
  // What the tail needs of raw texts t [N, D]: n(t) [N, D], n(t) . w0 [N], n(t) . b3 [N].
  State::Items text(const Tensor& t) const;

 private:
  Tensor mixing_;  // [D, D + kLines], float64: p -> all of its image but C p
  Tensor out_, out_bias_, gain_, w0_, b3_;
  factored::TailConstants constants_;
};

}  // namespace vtr::models
