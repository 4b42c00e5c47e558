#include "heads/factored/pairs.h"

#include "heads/heads.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>

namespace vtr::models {
namespace {

using torch::autograd::variable_list;

constexpr int64_t kBlock = 1 << 20;  // values of pooled vectors at once: they stay in the cache

// Of every pair's p [2 D], formed block by block and never kept: |C p|^2, |U p|^2, |g U p|^2 and
// U p . gn, [M, N, 4], for g [D] and gn [N, D].
class PairSums final : public torch::autograd::Function<PairSums> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& c,
                        const Tensor& of_video, const Tensor& a, const Tensor& of_text,
                        const Tensor& g, const Tensor& gn) {
    context->save_for_backward({c, of_video, a, of_text, g, gn});
    const Tensor sums = at::empty({c.size(0), c.size(1), 4}, c.options());
    for_blocks({c, of_video, a, of_text}, [&](const PooledSums& some, int64_t begin, int64_t end) {
      const auto parts = pooled(some).chunk(2, -1);  // 2 x [b, N, D]
      const Tensor dots = parts[1].transpose(0, 1).bmm(gn.unsqueeze(2)).squeeze(2).t();
      const auto square = [](const Tensor& x) {
        return at::linalg_vector_norm(x, 2, {-1}).square();
      };
      sums.slice(0, begin, end)
          .copy_(at::stack({square(parts[0]), square(parts[1]), square(parts[1] * g), dots}, -1));
    });
    return sums;
  }

  static variable_list backward(torch::autograd::AutogradContext* context,
                                const variable_list& gradients) {
    const auto kept = context->get_saved_variables();
    const Tensor &g = kept[4], &gn = kept[5];
    const PooledSums all{kept[0], kept[1], kept[2], kept[3]};
    const auto like = [](const Tensor& x) { return x.defined() ? at::zeros_like(x) : x; };
    const PooledSums to{like(all.c), like(all.of_video), like(all.a), like(all.of_text)};
    const Tensor to_g = at::zeros_like(g), to_gn = at::zeros_like(gn);
    for_blocks(all, [&](const PooledSums& some, int64_t begin, int64_t end) {
      const Tensor p = pooled(some), of_sums = gradients[0].slice(0, begin, end);
      const auto parts = p.chunk(2, -1);
      const auto of = [&](int64_t i) { return of_sums.select(2, i).unsqueeze(2); };  // [b, N, 1]
      const Tensor weighted = parts[1] * of(3);
      to_gn.add_(weighted.sum(0));
      to_g.add_((parts[1].square() * of(2)).flatten(0, 1).sum(0));
      // From here on p is its own gradient.
      parts[0].mul_(2 * of(0));
      parts[1].mul_(2 * (of(1) + of(2) * g.square())).addcmul_(of(3), gn);
      to.c.slice(0, begin, end).copy_(p.bmm(some.of_video.transpose(1, 2)));
      to.of_video.slice(0, begin, end).copy_(some.c.transpose(1, 2).bmm(p));
      if (!all.a.defined()) return;
      const Tensor by_text = p.transpose(0, 1);  // [N, b, 2 D]
      to.a.slice(1, begin, end).copy_(by_text.bmm(some.of_text.transpose(1, 2)));
      to.of_text.baddbmm_(some.a.transpose(1, 2), by_text);
    });
    return {to.c, to.of_video, to.a, to.of_text, 2 * g * to_g, to_gn};
  }

 private:
  static Tensor pooled(const PooledSums& some) {  // [b, N, 2 D]
    Tensor p = some.c.bmm(some.of_video);
    if (some.a.defined()) p.transpose(0, 1).baddbmm_(some.a, some.of_text);
    return p;
  }

  template <class Use>
  static void for_blocks(const PooledSums& all, const Use& use) {
    const int64_t videos = all.c.size(0), pairs = all.c.size(1) * all.of_video.size(2);
    const int64_t step = std::clamp<int64_t>(kBlock / pairs, 1, videos);
    for (int64_t begin = 0; begin < videos; begin += step) {
      const int64_t end = std::min(videos, begin + step);
      use({all.c.slice(0, begin, end), all.of_video.slice(0, begin, end),
           all.a.defined() ? all.a.slice(1, begin, end) : all.a, all.of_text},
          begin, end);
    }
  }
};

Tensor centred(const Tensor& x) { return x - x.mean(-1, /*keepdim=*/true); }

}  // namespace

PairTail::PairTail(const AttentionParts& parts)
    : parts_(parts),
      by_head_(images(parts.attention->out->weight.t()).unflatten(0, {parts.options.heads, -1})) {}

Tensor PairTail::images(const Tensor& vectors) const {
  const Tensor c = centred(vectors), z = c * parts_.norm2->weight;
  return torch::cat({c, centred(z + z.matmul(parts_.linear->weight.t()))}, -1);
}

Tensor PairTail::head_images(const Tensor& vectors) const {
  const int64_t batch = vectors.size(0), frames = vectors.size(2);
  const Tensor rows = vectors.transpose(0, 1).flatten(1, 2);  // [H, B T, d]
  return rows.bmm(by_head_).unflatten(1, {batch, frames}).transpose(0, 1);
}

Tensor PairTail::score(const PooledSums& pooled, const Tensor& text) const {
  const auto& [c, of_video, a, of_text] = pooled;
  const int64_t width = text.size(1);
  const Tensor &b2 = parts_.norm2->bias, &g3 = parts_.norm3->weight, &b3 = parts_.norm3->bias;
  const Tensor n = unit(text);
  const Tensor u0 = centred(b2 + at::linear(b2, parts_.linear->weight, parts_.linear->bias));
  const Tensor w0 = g3 * u0;
  const Tensor sums = PairSums::apply(c, of_video, a, of_text, g3, n * g3);  // [M, N, 4]
  const Tensor lines = torch::stack({u0, g3 * w0, g3 * b3}, 1);              // [D, 3]
  const auto on_lines = [&](const Tensor& x) { return x.slice(-1, width).matmul(lines); };
  Tensor line = c.bmm(on_lines(of_video));  // [M, N, 3]
  if (a.defined()) line = line + a.bmm(on_lines(of_text)).transpose(0, 1);
  const auto of = [](const Tensor& x, int64_t i) { return x.select(2, i); };
  const auto inverse_std = [&](const Tensor& square, const torch::nn::LayerNorm& norm) {
    return (square / static_cast<double>(width) + norm->options.eps()).rsqrt();
  };
  const Tensor s2 = inverse_std(of(sums, 0), parts_.norm2);
  const auto square = [&](int64_t i) {  // of s2 x + x0
    return s2 * (s2 * of(sums, 1 + i) + 2 * of(line, i));
  };
  const Tensor s3 = inverse_std(square(0) + u0.dot(u0), parts_.norm3);
  const Tensor dot = s3 * (s2 * of(sums, 3) + n.matmul(w0)) + n.matmul(b3);
  const Tensor length =
      s3 * (s3 * (square(1) + w0.dot(w0)) + 2 * (s2 * of(line, 2) + w0.dot(b3))) + b3.dot(b3);
  return (dot * length.rsqrt()).t();
}

}  // namespace vtr::models
