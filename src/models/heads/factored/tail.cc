#include "heads/factored/tail.h"

#include "heads/heads.h"

#include <torch/types.h>

namespace vtr::models {
namespace {

Tensor centred(const Tensor& x, int64_t dim) { return x - x.mean(dim, /*keepdim=*/true); }

Tensor single(const Tensor& x) { return x.to(torch::kFloat).contiguous(); }

}  // namespace

FactoredTail::FactoredTail(const AttentionParts& parts) {
  const torch::NoGradGuard no_grad;
  const auto wide = [](const Tensor& x) { return x.detach().to(torch::kDouble); };
  const Tensor g2 = wide(parts.norm2->weight), b2 = wide(parts.norm2->bias);
  const Tensor g3 = wide(parts.norm3->weight), b3 = wide(parts.norm3->bias);
  const int64_t width = g2.size(0);
  const Tensor eye = torch::eye(width, g2.options());
  const Tensor residual = (eye + wide(parts.linear->weight)).t();  // row vectors: x (I + W)^T
  const Tensor mixing = centred(centred(g2.unsqueeze(1) * residual, 0), 1);  // U^T
  const Tensor u0 = centred(b2.matmul(residual) + wide(parts.linear->bias), 0);
  const Tensor w0 = g3 * u0;
  const Tensor lines = mixing.matmul(torch::stack({u0, g3 * w0, g3 * b3}, 1));  // [D, 3]
  mixing_ = torch::cat({mixing, torch::constant_pad_nd(lines, {0, kLines - 3})}, 1);
  out_ = wide(parts.attention->out->weight).t();  // rows by (head, d)
  out_bias_ = wide(parts.attention->out->bias);
  gain_ = single(g3);
  w0_ = single(w0);
  b3_ = single(b3);
  const auto dot = [](const Tensor& a, const Tensor& b) { return a.dot(b).item<float>(); };
  constants_ = {.u0_u0 = dot(u0, u0),
                .w0_w0 = dot(w0, w0),
                .w0_b3 = dot(w0, b3),
                .b3_b3 = dot(b3, b3),
                .width = static_cast<float>(width),
                .eps2 = static_cast<float>(parts.norm2->options.eps()),
                .eps3 = static_cast<float>(parts.norm3->options.eps())};
}

Tensor FactoredTail::images(const Tensor& vectors) const {
  return torch::cat({centred(vectors, -1), vectors.matmul(mixing_.to(vectors.dtype()))}, -1);
}

Tensor FactoredTail::head_images(int64_t heads) const {
  return single(images(out_)).unflatten(0, {heads, -1});
}

Tensor FactoredTail::bias_image() const { return single(images(out_bias_)); }

State::Items FactoredTail::text(const Tensor& t) const {
  const Tensor n = unit(t);
  return {{"unit", n}, {"unit_w0", n.matmul(w0_)}, {"unit_b3", n.matmul(b3_)}};
}

}  // namespace vtr::models
