// The inner loops of exact factored scoring, on the CPU in float32, compiled for the vector units
// at hand. Texts lie side by side: a row is one frame (or basis vector), a column one text.
#pragma once

#include <cstdint>

namespace vtr::models::factored {

constexpr int64_t kLanes = 64;  // texts a kernel call takes at most

// Constants of LN2 -> (I + W) -> LN3 -> cosine (tail.h has the algebra).
struct TailConstants {
  float u0_u0, w0_w0, w0_b3, b3_b3, width, eps2, eps3;
};

// What a pair's pooled vector came to.
struct TailSums {
  float centred, mixed, gained, dot;  // |C p|^2, |U p|^2, |g3 U p|^2, n(t) . g3 U p
  float with_u0, with_w0, with_b3;    // U p . u0,  g3 U p . w0,  g3 U p . b3
};
float cosine(const TailSums& sums, const TailConstants& constants, float text_w0, float text_b3);

// One video's frames for `n` texts; `stride` from one row to the next, in floats.
struct Rows {
  const float* data;
  int64_t stride;
};

// Softmax over a video's T frames, of the K largest where K > 0 (of equal ones the first):
// relevance [T, n] and bias [T] or null; mask [T]. -> weights [T, kLanes], 0 where not kept.
void frame_weights(Rows relevance, const float* bias, const bool* mask, int64_t frames,
                   int64_t topk, int64_t n, float scale, float* weights);

// The same softmax for another set of logits over the frames that `kept` (weights [T, kLanes])
// keeps.
void kept_softmax(Rows logits, const float* bias, const float* kept, int64_t frames, int64_t n,
                  float scale, float* weights);

// a^T G a for each text, of three symmetric matrices [m, m] at once: weights [m, kLanes] ->
// sums [3, kLanes].
void quadratic_forms(const float* const matrices[3], const float* weights, int64_t m, int64_t n,
                     float* sums);

// sum_m a_m x_m for each text, with x a column [m] the texts share, or a row block of their own.
void weighted_sum(const float* x, const float* weights, int64_t m, int64_t n, float* sums);
void weighted_sum(Rows x, const float* weights, int64_t m, int64_t n, float* sums);

// The joint head's coefficients of one video. weights [T, kLanes] of its frames; logits [H, T, n]
// of the frames' queries with the text's key (`head_stride` from one attention head to the next),
// bias [H, T] or null, lse [H, T] of the frames' own logits. With alpha = sigmoid(logits + bias -
// lse):  coefficients [T + H T, kLanes] = w, w (1 - alpha);  taken [H, kLanes] = sum_i w alpha.
struct Joining {
  Rows logits;
  int64_t head_stride;
  const float *bias, *lse;
  int64_t heads, frames;
  float scale;
};
void join(const Joining& joining, const float* weights, int64_t n, float* coefficients,
          float* taken);

// An image of a pooled vector, padded to whole chunks and kept chunk by chunk: D rounded up of C p,
// D rounded up of U p, then a chunk that begins with the three products.
constexpr int64_t kChunk = 32;
constexpr int64_t padded(int64_t width) { return (width + kChunk - 1) / kChunk * kChunk; }
constexpr int64_t image_chunks(int64_t width) { return 2 * padded(width) / kChunk + 1; }

// The images of one video's pooled vectors for `n` texts, formed and summed up chunk by chunk:
//   coefficients^T basis + sum_h taken_h own_h.
struct Images {
  const float* basis;         // [chunks, m, kChunk] of the video
  const float* coefficients;  // [m, kLanes]
  const float* own;           // [chunks, n, H, kChunk] of the texts, own_stride a chunk
  const float* taken;         // [H, kLanes]
  const float* gain;          // g3 [padded D]
  const float* text;          // n(t) g3 [chunks of D, n, kChunk], text_stride a chunk
  int64_t own_stride, text_stride;
  int64_t m, heads, width, n;
};
void reduce(const Images& images, TailSums* sums);  // [n]

}  // namespace vtr::models::factored
