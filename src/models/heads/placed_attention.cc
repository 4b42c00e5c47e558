#include "heads/placed_attention.h"

#include <torch/types.h>

#include <cmath>

namespace vtr::models {

PlacedAttention::PlacedAttention(TemporalEncoding& temporal, const Tensor& positions,
                                 const Tensor& mask, double lowered)
    : temporal_(temporal), positions_(positions) {
  const Tensor padded = mask.logical_not().to(torch::kFloat).mul(-lowered);  // [M, L]
  added_ = padded.unsqueeze(1).unsqueeze(1);
  // The first row and column are a text's, which is not among the tokens.
  if (const Tensor bias = temporal.bias(positions); bias.defined())
    added_ = added_ + bias.slice(2, 1).slice(3, 1);
}

Tensor PlacedAttention::operator()(const Tensor& q, const Tensor& k, const Tensor& v,
                                   double dropout) const {
  const Tensor queries = temporal_.rotated(q, positions_).transpose(1, 2);     // [M, H, L, d]
  const Tensor keys = temporal_.rotated(k, positions_).permute({0, 2, 3, 1});  // [M, H, d, L]
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  const Tensor weights = (queries.matmul(keys) * scale + added_).softmax(-1);
  const Tensor y = torch::dropout(weights, dropout, dropout > 0).matmul(v.transpose(1, 2));
  return y.transpose(1, 2).flatten(2);
}

std::shared_ptr<TemporalEncoding> make_encoding(const std::string& name,
                                                const TemporalContext& context) {
  auto encoding = temporal_encodings().find(name).make(context);
  const torch::NoGradGuard no_grad;
  auto parameters = encoding->named_parameters();
  if (Tensor* table = parameters.find("positions")) table->normal_(0, 0.02);
  return encoding;
}

}  // namespace vtr::models
