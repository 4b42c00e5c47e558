#include "heads/factored/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

// One copy a vector unit, chosen when the program is loaded. The sanitizers start after that choice
// is made and cannot follow it.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define VTR_VECTORISED \
  __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define VTR_VECTORISED
#endif

namespace vtr::models::factored {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// e^x for x <= 0, within 2 units in the last place; below e^-87 it stays there. Branchless, so that
// the loops around it become vector code (Cody and Waite's reduction, Cephes' polynomial).
[[gnu::always_inline]] inline float exp_of_negative(float x) {
  x = x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;  // the integer in the low bits of a float
  const float whole = shifted - 12582912.0f;
  const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto power = (std::bit_cast<int32_t>(shifted) - 0x4B400000 + 127) << 23;
  return p * std::bit_cast<float>(power);
}

// Logits [T, kLanes] to weights, the softmax of each text, whose largest logit is `top`; -inf to 0.
[[gnu::always_inline]] inline void softmax(const float* top, int64_t frames, int64_t n,
                                           float* weights) {
  float sum[kLanes];
  for (int64_t x = 0; x < n; ++x) sum[x] = 0;
  for (int64_t i = 0; i < frames; ++i) {
    float* __restrict row = weights + i * kLanes;
    for (int64_t x = 0; x < n; ++x) {
      const float value = exp_of_negative(row[x] - top[x]);
      row[x] = row[x] == kLowest ? 0.0f : value;
      sum[x] += row[x];
    }
  }
  for (int64_t x = 0; x < n; ++x) sum[x] = 1 / sum[x];
  for (int64_t i = 0; i < frames; ++i) {
    for (int64_t x = 0; x < n; ++x) weights[i * kLanes + x] *= sum[x];
  }
}

}  // namespace

float cosine(const TailSums& s, const TailConstants& c, float text_w0, float text_b3) {
  const float s2 = 1 / std::sqrt(s.centred / c.width + c.eps2);
  const float square = s2 * s2 * s.mixed + 2 * s2 * s.with_u0 + c.u0_u0;
  const float s3 = 1 / std::sqrt(square / c.width + c.eps3);
  const float norm = s3 * s3 * (s2 * s2 * s.gained + 2 * s2 * s.with_w0 + c.w0_w0) +
                     2 * s3 * (s2 * s.with_b3 + c.w0_b3) + c.b3_b3;
  return (s3 * (s2 * s.dot + text_w0) + text_b3) / std::sqrt(std::max(norm, 1e-24f));
}

VTR_VECTORISED void frame_weights(Rows relevance, const float* bias, const bool* mask,
                                  int64_t frames, int64_t topk, int64_t n, float scale,
                                  float* weights) {
  for (int64_t i = 0; i < frames; ++i) {
    const float* row = relevance.data + i * relevance.stride;
    float* out = weights + i * kLanes;
    const float shift = bias ? bias[i] : 0.0f;
    for (int64_t x = 0; x < n; ++x) out[x] = mask[i] ? row[x] * scale + shift : kLowest;
  }
  float top[kLanes];
  for (int64_t x = 0; x < n; ++x) top[x] = weights[x];
  for (int64_t i = 1; i < frames; ++i) {
    for (int64_t x = 0; x < n; ++x) top[x] = std::max(top[x], weights[i * kLanes + x]);
  }
  float kept[kLanes];
  const bool choose = topk > 0 && topk < frames;
  // Ranks first, on the untouched relevance: those of frame i go to the second half of `weights`.
  for (int64_t i = 0; choose && i < frames; ++i) {
    const float* mine = weights + i * kLanes;
    for (int64_t x = 0; x < n; ++x) kept[x] = 0;
    for (int64_t j = 0; j < frames; ++j) {
      const float* other = weights + j * kLanes;
      for (int64_t x = 0; x < n; ++x) {
        const bool before = other[x] > mine[x] || (j < i && other[x] == mine[x]);
        kept[x] += before ? 1.0f : 0.0f;
      }
    }
    float* rank = weights + (frames + i) * kLanes;
    for (int64_t x = 0; x < n; ++x) rank[x] = kept[x];
  }
  const auto limit = static_cast<float>(topk);
  for (int64_t i = 0; choose && i < frames; ++i) {
    float* __restrict row = weights + i * kLanes;
    const float* __restrict rank = weights + (frames + i) * kLanes;
    for (int64_t x = 0; x < n; ++x) row[x] = rank[x] < limit ? row[x] : kLowest;
  }
  softmax(top, frames, n, weights);
}

VTR_VECTORISED void kept_softmax(Rows logits, const float* bias, const float* kept, int64_t frames,
                                 int64_t n, float scale, float* weights) {
  float top[kLanes];
  for (int64_t x = 0; x < n; ++x) top[x] = kLowest;
  for (int64_t i = 0; i < frames; ++i) {
    const float* row = logits.data + i * logits.stride;
    float* out = weights + i * kLanes;
    const float* on = kept + i * kLanes;
    const float shift = bias ? bias[i] : 0.0f;
    for (int64_t x = 0; x < n; ++x) {
      out[x] = on[x] > 0 ? row[x] * scale + shift : kLowest;
      top[x] = std::max(top[x], out[x]);
    }
  }
  softmax(top, frames, n, weights);
}

VTR_VECTORISED void weighted_sum(const float* x, const float* weights, int64_t m, int64_t n,
                                 float* sums) {
  std::fill_n(sums, kLanes, 0.0f);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t t = 0; t < n; ++t) sums[t] += x[i] * weights[i * kLanes + t];
  }
}

VTR_VECTORISED void weighted_sum(Rows x, const float* weights, int64_t m, int64_t n, float* sums) {
  std::fill_n(sums, kLanes, 0.0f);
  for (int64_t i = 0; i < m; ++i) {
    const float* row = x.data + i * x.stride;
    for (int64_t t = 0; t < n; ++t) sums[t] += row[t] * weights[i * kLanes + t];
  }
}

VTR_VECTORISED void join(const Joining& joining, const float* weights, int64_t n,
                         float* coefficients, float* taken) {
  const int64_t frames = joining.frames;
  for (int64_t i = 0; i < frames; ++i) {
    std::copy_n(weights + i * kLanes, n, coefficients + i * kLanes);
  }
  std::fill_n(taken, joining.heads * kLanes, 0.0f);
  for (int64_t h = 0; h < joining.heads; ++h) {
    float* __restrict sum = taken + h * kLanes;
    for (int64_t i = 0; i < frames; ++i) {
      const float* __restrict row =
          joining.logits.data + h * joining.head_stride + i * joining.logits.stride;
      const int64_t at = h * frames + i;
      const float shift = (joining.bias ? joining.bias[at] : 0.0f) - joining.lse[at];
      float* __restrict out = coefficients + (frames + at) * kLanes;
      const float* __restrict w = weights + i * kLanes;
      for (int64_t x = 0; x < n; ++x) {
        const float logit = row[x] * joining.scale + shift;
        const float e = exp_of_negative(-std::fabs(logit)), large = 1 / (1 + e);
        const float small = e * large;  // sigmoid(-|x|), beside sigmoid(|x|)
        const float alpha = logit > 0 ? large : small;
        out[x] = w[x] * (logit > 0 ? small : large);  // not w (1 - alpha): no digit is lost
        sum[x] += w[x] * alpha;
      }
    }
  }
}

}  // namespace vtr::models::factored
