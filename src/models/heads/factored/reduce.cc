#include "heads/factored/kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

// The loops that must not leave the registers: the quadratic forms of `cross`, and the matrix
// product of the joint head, with its result summed up in registers instead of stored: a chunk of
// the video's vectors (8 kB) stays in the first cache while all texts of the tile pass.
namespace vtr::models::factored {
namespace {

template <class V>
constexpr int64_t kWidth = sizeof(V) / sizeof(float);

template <class V>
[[gnu::always_inline]] inline void load(V& to, const float* from) {
  std::memcpy(&to, from, sizeof(V));
}

template <class V>
[[gnu::always_inline]] inline float total(const V& v) {
  float sum = 0;
  for (int64_t i = 0; i < kWidth<V>; ++i) sum += v[i];
  return sum;
}

// Sums of one text, a vector each: |C p|^2, |U p|^2, |g3 U p|^2, dot.
template <class V>
using Partial = std::array<V, 4>;

enum class Zone { centred, mixed, lines };

// kTexts texts from x on times columns [at, at + kColumns vectors) of chunk c.
template <class V, int64_t kTexts, int64_t kColumns>
[[gnu::always_inline]] inline void block(const Images& in, int64_t c, int64_t at, Zone zone,
                                         int64_t x, Partial<V>* partial, TailSums* sums) {
  V z[kTexts][kColumns] = {};
  const float* basis = in.basis + c * in.m * kChunk + at;
  const float* coefficients = in.coefficients + x;
  for (int64_t m = 0; m < in.m; ++m) {
    V row[kColumns];
    for (int64_t k = 0; k < kColumns; ++k) load(row[k], basis + m * kChunk + k * kWidth<V>);
    for (int64_t t = 0; t < kTexts; ++t) {
      for (int64_t k = 0; k < kColumns; ++k) z[t][k] += coefficients[m * kLanes + t] * row[k];
    }
  }
  const int64_t zone_chunk = c - padded(in.width) / kChunk;
  for (int64_t t = 0; t < kTexts; ++t) {
    const int64_t n = std::min(x + t, in.n - 1);  // lanes beyond the last text repeat it
    const float* own = in.own + c * in.own_stride + n * in.heads * kChunk + at;
    for (int64_t k = 0; k < kColumns; ++k) {
      V value = z[t][k];
      for (int64_t h = 0; h < in.heads; ++h) {
        V mine;
        load(mine, own + h * kChunk + k * kWidth<V>);
        value += in.taken[h * kLanes + n] * mine;
      }
      if (zone == Zone::centred) {
        partial[x + t][0] += value * value;
      } else if (zone == Zone::mixed) {
        V gain, text;
        load(gain, in.gain + zone_chunk * kChunk + at + k * kWidth<V>);
        load(text, in.text + zone_chunk * in.text_stride + n * kChunk + at + k * kWidth<V>);
        const V gained = value * gain;
        partial[x + t][1] += value * value;
        partial[x + t][2] += gained * gained;
        partial[x + t][3] += value * text;
      } else if (at == 0 && k == 0 && x + t < in.n) {
        sums[n].with_u0 = value[0];
        sums[n].with_w0 = value[1];
        sums[n].with_b3 = value[2];
      }
    }
  }
}

template <class V, int64_t kTexts, int64_t kColumns>
[[gnu::always_inline]] inline void reduce_with(const Images& in, TailSums* sums) {
  Partial<V> partial[kLanes + kTexts] = {};
  const int64_t zones = padded(in.width) / kChunk;
  for (int64_t c = 0; c <= 2 * zones; ++c) {
    const Zone zone = c < zones ? Zone::centred : c < 2 * zones ? Zone::mixed : Zone::lines;
    for (int64_t at = 0; at < kChunk; at += kColumns * kWidth<V>) {
      for (int64_t x = 0; x < in.n; x += kTexts) {
        block<V, kTexts, kColumns>(in, c, at, zone, x, partial, sums);
      }
    }
  }
  for (int64_t x = 0; x < in.n; ++x) {
    sums[x].centred = total(partial[x][0]);
    sums[x].mixed = total(partial[x][1]);
    sums[x].gained = total(partial[x][2]);
    sums[x].dot = total(partial[x][3]);
  }
}

// kColumns vectors of texts at a time: twice each row up to the diagonal, once the diagonal.
template <class V, int64_t kColumns>
[[gnu::always_inline]] inline void forms_with(const float* const matrices[3], const float* weights,
                                              int64_t m, int64_t n, float* sums) {
  for (int64_t first = 0; first < n; first += kColumns * kWidth<V>) {
    V total[3][kColumns] = {};
    for (int64_t i = 0; i < m; ++i) {
      V row[3][kColumns] = {};
      for (int64_t j = 0; j <= i; ++j) {
        const float twice = j < i ? 2.0f : 1.0f;
        for (int64_t c = 0; c < kColumns; ++c) {
          V a;
          load(a, weights + j * kLanes + first + c * kWidth<V>);
          for (int64_t k = 0; k < 3; ++k) row[k][c] += twice * matrices[k][i * m + j] * a;
        }
      }
      for (int64_t c = 0; c < kColumns; ++c) {
        V a;
        load(a, weights + i * kLanes + first + c * kWidth<V>);
        for (int64_t k = 0; k < 3; ++k) total[k][c] += row[k][c] * a;
      }
    }
    for (int64_t k = 0; k < 3; ++k) {
      std::memcpy(sums + k * kLanes + first, total[k], sizeof(total[k]));
    }
  }
}

using Four [[gnu::vector_size(16)]] = float;
void reduce_plain(const Images& in, TailSums* sums) { reduce_with<Four, 4, 2>(in, sums); }
void forms_plain(const float* const matrices[3], const float* weights, int64_t m, int64_t n,
                 float* sums) {
  forms_with<Four, 1>(matrices, weights, m, n, sums);
}

#if defined(__x86_64__)
using Eight [[gnu::vector_size(32)]] = float;
using Sixteen [[gnu::vector_size(64)]] = float;
[[gnu::target("avx2,fma")]] void reduce_avx2(const Images& in, TailSums* sums) {
  reduce_with<Eight, 4, 2>(in, sums);
}
[[gnu::target("avx2,fma")]] void forms_avx2(const float* const matrices[3], const float* weights,
                                            int64_t m, int64_t n, float* sums) {
  forms_with<Eight, 2>(matrices, weights, m, n, sums);
}
[[gnu::target("avx512f,avx512dq,avx512vl,fma")]] void reduce_avx512(const Images& in,
                                                                    TailSums* sums) {
  reduce_with<Sixteen, 8, 2>(in, sums);
}
[[gnu::target("avx512f,avx512dq,avx512vl,fma")]] void forms_avx512(const float* const matrices[3],
                                                                   const float* weights, int64_t m,
                                                                   int64_t n, float* sums) {
  forms_with<Sixteen, 4>(matrices, weights, m, n, sums);
}
#endif

struct Loops {
  decltype(&reduce_plain) reduce;
  decltype(&forms_plain) forms;
};

// Those for the vector unit at hand.
const Loops& best() {
  static const Loops loops = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512dq")) return Loops{reduce_avx512, forms_avx512};
    if (__builtin_cpu_supports("fma")) return Loops{reduce_avx2, forms_avx2};
#endif
    return Loops{reduce_plain, forms_plain};
  }();
  return loops;
}

}  // namespace

void reduce(const Images& images, TailSums* sums) { best().reduce(images, sums); }

void quadratic_forms(const float* const matrices[3], const float* weights, int64_t m, int64_t n,
                     float* sums) {
  best().forms(matrices, weights, m, n, sums);
}

}  // namespace vtr::models::factored
