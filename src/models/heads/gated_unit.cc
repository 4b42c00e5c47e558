#include "heads/gated_unit.h"

namespace vtr::models {

GatedUnit::GatedUnit(int64_t in, int64_t out, bool batch_norm)
    : fc_(register_module("fc", torch::nn::Linear(in, out))), gate_(out, out) {
  const auto gating = register_module("cg", std::make_shared<torch::nn::Module>());
  gating->register_module("fc", gate_);
  if (batch_norm) batch_norm_ = gating->register_module("batch_norm", torch::nn::BatchNorm1d(out));
}

Tensor GatedUnit::forward(const Tensor& x) {
  const Tensor y = fc_(x);
  const Tensor gate = gate_(y);
  return y * (batch_norm_ ? batch_norm_(gate) : gate).sigmoid();
}

}  // namespace vtr::models
