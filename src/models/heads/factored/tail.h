// The tail of the text-conditioned heads, LN2 -> (I + W) -> LN3 -> cosine, as a function of inner
// products. With C the centring, for a pooled vector p:
//   U p = C (I + W) (g2 * C p),  u0 = C ((I + W) b2 + b),  s2 = (|C p|^2 / D + eps)^-1/2
//   y = s2 U p + u0,             s3 = (|y|^2 / D + eps)^-1/2
//   o = s3 g3 * y + b3,          sim = n(t) . o / |o|
// p is a sum over vectors that belong to the text or to the video alone, so C p and U p are sums of
// images computed once: an image is [C p | U p | U p . u0 | g3 U p . w0 | g3 U p . b3], w0 = g3 u0,
// 2 D + 3 numbers. The products of weights are formed in float64, everything else in float32.
#pragma once

#include "heads/attention.h"
#include "heads/factored/kernels.h"

namespace vtr::models {

class FactoredTail {
 public:
  explicit FactoredTail(const AttentionParts& parts);
  int64_t image_width() const { return image_.size(1); }
  const Tensor& image() const { return image_; }            // [D, 2 D + 3]: p -> its image
  const Tensor& head_images() const { return by_head_; }    // [H, d, 2 D + 3]: through W_o
  const Tensor& bias_image() const { return bias_image_; }  // [2 D + 3], of W_o's bias
  const Tensor& gain() const { return gain_; }              // g3 [D]
  const factored::TailConstants& constants() const { return constants_; }
  // What the tail needs of raw texts t [N, D]: n(t) [N, D], n(t) . w0 [N], n(t) . b3 [N].
  State::Items text(const Tensor& t) const;

 private:
  Tensor image_, by_head_, bias_image_, gain_, w0_, b3_;
  factored::TailConstants constants_;
};

}  // namespace vtr::models
