// The tail of the text-conditioned heads in a training step on the CPU, in float32: all pairs in
// blocks that stay in the cache, with a backward pass of its own. Of a pair it keeps its pooled
// vector, what enters LN3 and what was dropped; the rest is formed again.
#pragma once

#include "heads/attention.h"

namespace vtr::models {

// pooled [M, N, D], text [N, D] of length one -> sim [M, N] = text . n(LN3(z + Dropout(W z + b))),
// z = LN2(pooled).
Tensor pair_tail(const AttentionParts& parts, const Tensor& pooled, const Tensor& text);

// True with probability p, to 2^-17: 16 random bits a value, seven times as fast as bernoulli_.
Tensor drawn(c10::IntArrayRef sizes, double p);

}  // namespace vtr::models
