#include "heads/pair_tail.h"

#include "heads/heads.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace vtr::models {
namespace {

using torch::autograd::variable_list;

constexpr int64_t kBlock = 1 << 19;  // values of one tensor at once: a few of them fit in the cache
constexpr double kShortest = 1e-12;  // as `unit` has it

struct Norm {
  Tensor gain, bias;
  double eps;
  Tensor to_gain = at::zeros_like(gain), to_bias = at::zeros_like(bias);  // summed up by `backward`

  auto forward(const Tensor& x) const {  // of it, means, inverse deviations
    return at::native_layer_norm(x, {x.size(-1)}, gain, bias, eps);
  }
  Tensor backward(const Tensor& gradient, const Tensor& x, const Tensor& mean,
                  const Tensor& inverse_std) const {
    const auto [to_x, more_gain, more_bias] = at::native_layer_norm_backward(
        gradient, x, {x.size(-1)}, mean, inverse_std, gain, bias, {true, true, true});
    to_gain.add_(more_gain);
    to_bias.add_(more_bias);
    return to_x;
  }
};

// Pairs [M, N, ...] in blocks of whole videos.
template <class Use>
void for_blocks(const Tensor& pooled, const Use& use) {
  const int64_t videos = pooled.size(0), values = pooled.size(1) * pooled.size(2);
  const int64_t step = std::clamp<int64_t>(kBlock / values, 1, videos);
  for (int64_t begin = 0; begin < videos; begin += step) {
    use([begin, end = std::min(videos, begin + step)](const Tensor& x) {
      return x.slice(0, begin, end).flatten(0, 1);
    });
  }
}

class PairTail final : public torch::autograd::Function<PairTail> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& pooled,
                        const Tensor& text, const Tensor& gain2, const Tensor& bias2,
                        const Tensor& weight, const Tensor& bias, const Tensor& gain3,
                        const Tensor& bias3, double eps2, double eps3, double dropout) {
    const Norm norm2{gain2, bias2, eps2}, norm3{gain3, bias3, eps3};
    const int64_t texts = text.size(0), width = text.size(1);
    const Tensor mixing = mixed(weight, dropout), offset = bias / (1 - dropout);
    const Tensor dropped = dropout > 0 ? drawn(pooled.sizes(), dropout) : Tensor();
    const Tensor y = at::empty_like(pooled),
                 dot = at::empty(pooled.sizes().slice(0, 2), text.options()),
                 length = at::empty_like(dot);
    for_blocks(pooled, [&](const auto& block) {
      const Tensor z = std::get<0>(norm2.forward(block(pooled)));
      Tensor rows = block(y);
      at::addmm_out(rows, offset, z, mixing.t());
      if (dropout > 0) rows.masked_fill_(block(dropped), 0).add_(z);
      const Tensor o = std::get<0>(norm3.forward(rows)).view({-1, texts, width});
      Tensor lengths = block(length).view({-1, texts}), dots = block(dot).view({-1, texts});
      at::linalg_vector_norm_out(lengths, o, 2, {-1});
      dots.copy_(o.transpose(0, 1).bmm(text.unsqueeze(2)).squeeze(2).t());
    });
    const Tensor inverse = length.clamp_min_(kShortest).reciprocal_();
    Tensor sim = dot.mul_(inverse);
    context->save_for_backward(
        {pooled, text, gain2, bias2, weight, gain3, bias3, y, inverse, sim, dropped});
    context->saved_data["eps2"] = eps2;
    context->saved_data["eps3"] = eps3;
    context->saved_data["dropout"] = dropout;
    return sim;
  }

  // With o = LN3(y): d sim / d o = (n(t) - sim o / |o|) / |o|.
  static variable_list backward(torch::autograd::AutogradContext* context,
                                const variable_list& gradients) {
    const auto kept = context->get_saved_variables();
    const Tensor &pooled = kept[0], &text = kept[1], &weight = kept[4], &y = kept[7],
                 &inverse = kept[8], &sim = kept[9], &dropped = kept[10];
    const Norm norm2{kept[2], kept[3], context->saved_data["eps2"].toDouble()},
        norm3{kept[5], kept[6], context->saved_data["eps3"].toDouble()};
    const double dropout = context->saved_data["dropout"].toDouble();
    const int64_t texts = text.size(0), width = text.size(1);
    const Tensor mixing = mixed(weight, dropout);
    const Tensor of_dot = gradients[0] * inverse;  // [M, N]
    const Tensor of_o = (of_dot * sim * inverse).neg_();
    const Tensor to_pooled = at::empty_like(pooled), to_text = at::zeros_like(text);
    const Tensor to_weight = at::zeros_like(weight), to_bias = at::zeros_like(norm2.bias);
    for_blocks(pooled, [&](const auto& block) {
      const auto [o, mean3, inverse_std3] = norm3.forward(block(y));
      const Tensor pairs = o.view({-1, texts, width}), dots = block(of_dot).view({-1, texts});
      to_text.add_(dots.t().contiguous().unsqueeze(1).bmm(pairs.transpose(0, 1)).squeeze(1));
      // From here on o is its own gradient.
      pairs.mul_(block(of_o).view({-1, texts, 1})).addcmul_(dots.unsqueeze(2), text);
      const Tensor to_y = norm3.backward(o, block(y), mean3, inverse_std3);
      const Tensor to_linear = dropout > 0 ? to_y.masked_fill(block(dropped), 0) : to_y;
      const auto [z, mean2, inverse_std2] = norm2.forward(block(pooled));
      to_weight.addmm_(to_linear.t(), z);
      to_bias.add_(to_linear.sum(0));
      const Tensor to_z = dropout > 0 ? at::addmm(to_y, to_linear, mixing) : to_y.mm(mixing);
      block(to_pooled).copy_(norm2.backward(to_z, block(pooled), mean2, inverse_std2));
    });
    to_weight.div_(1 - dropout);
    to_bias.div_(1 - dropout);
    return {to_pooled,     to_text,       norm2.to_gain, norm2.to_bias, to_weight, to_bias,
            norm3.to_gain, norm3.to_bias, Tensor(),      Tensor(),      Tensor()};
  }

 private:
  // Without dropout z is a part of the product.
  static Tensor mixed(const Tensor& weight, double dropout) {
    if (dropout > 0) return weight / (1 - dropout);
    Tensor sum = weight.clone();
    sum.diagonal().add_(1);
    return sum;
  }
};

}  // namespace

Tensor drawn(c10::IntArrayRef sizes, double p) {
  constexpr int64_t per_draw = 4, lowest = std::numeric_limits<int16_t>::min();
  const int64_t values = c10::multiply_integers(sizes);
  const Tensor draws = at::empty({(values + per_draw - 1) / per_draw}, at::kLong);
  draws.random_(std::numeric_limits<int64_t>::min(), std::optional<int64_t>());
  const auto below = lowest + std::llround(p * (1 << 16));
  return draws.view(at::kShort).slice(0, 0, values).lt(below).view(sizes);
}

Tensor pair_tail(const AttentionParts& parts, const Tensor& pooled, const Tensor& text) {
  return PairTail::apply(pooled.contiguous(), text, parts.norm2->weight, parts.norm2->bias,
                         parts.linear->weight, parts.linear->bias, parts.norm3->weight,
                         parts.norm3->bias, parts.norm2->options.eps(), parts.norm3->options.eps(),
                         parts.options.dropout);
}

}  // namespace vtr::models
