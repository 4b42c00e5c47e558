#include "flops.h"

#include <ATen/core/ivalue.h>

#include <map>
#include <string>

namespace vtr::eval {
namespace {

using Values = c10::ArrayRef<const c10::IValue>;
using Rule = int64_t (*)(Values inputs);

// a [.., N, K] by b [.., K, M], the two inputs from `first` on.
template <size_t first>
int64_t matrices(Values inputs) {
  return 2 * inputs[first].toTensor().numel() * inputs[first + 1].toTensor().size(-1);
}

template <size_t first>
int64_t matrix_by_vector(Values inputs) {
  return 2 * inputs[first].toTensor().numel();
}

// x [B, in, ..] by weight [out, in / groups, ..]: every value that comes out is a sum over the
// weights of its channel.
int64_t convolution(Values inputs) {
  const auto &x = inputs[0].toTensor(), &weight = inputs[1].toTensor();
  const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector(),
             dilation = inputs[5].toIntVector();
  int64_t places = x.size(0);
  for (size_t d = 0; d < stride.size(); ++d) {
    const auto side = static_cast<int64_t>(d) + 2;
    const int64_t reach = dilation[d] * (weight.size(side) - 1) + 1;
    places *= (x.size(side) + 2 * padding[d] - reach) / stride[d] + 1;
  }
  return 2 * places * weight.numel();
}

// q [B, H, L, E], k [B, H, S, E], v [B, H, S, V]: a logit and a weighted sum for every pair.
int64_t attention(Values inputs) {
  const auto &q = inputs[0].toTensor(), &k = inputs[1].toTensor(), &v = inputs[2].toTensor();
  return 2 * q.numel() / q.size(-1) * k.size(-2) * (q.size(-1) + v.size(-1));
}

// One layer, one direction: x [T, B, I], weights [4 H, I] and [4 H, H].
int64_t lstm_layer(Values inputs) {
  const auto& x = inputs[0].toTensor();
  const int64_t weights = inputs[1].toTensor().numel() + inputs[2].toTensor().numel();
  return 2 * x.size(0) * x.size(1) * weights;
}

// Operators that compute by themselves: what calls others of them is not in the list.
const std::map<std::string, Rule> kRules = {
    {"aten::mm", matrices<0>},
    {"aten::bmm", matrices<0>},
    {"aten::addmm", matrices<1>},
    {"aten::baddbmm", matrices<1>},
    {"aten::mv", matrix_by_vector<0>},
    {"aten::dot", matrix_by_vector<0>},
    {"aten::addmv", matrix_by_vector<1>},
    {"aten::convolution", convolution},
    {"aten::_scaled_dot_product_flash_attention_for_cpu", attention},
    {"aten::_scaled_dot_product_flash_attention", attention},
    {"aten::_scaled_dot_product_efficient_attention", attention},
    {"aten::_scaled_dot_product_cudnn_attention", attention},
    {"aten::mkldnn_rnn_layer", lstm_layer}};

}  // namespace

thread_local FlopCounter* FlopCounter::current = nullptr;

FlopCounter::FlopCounter() {
  current = this;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(
          [](const at::RecordFunction& op) -> std::unique_ptr<at::ObserverContext> {
            const auto rule = kRules.find(op.name());
            if (rule != kRules.end()) current->count_ += rule->second(op.inputs());
            return nullptr;
          })
          .needsInputs(true)
          .scopes({at::RecordScope::FUNCTION}));
}

FlopCounter::~FlopCounter() { at::removeCallback(handle_); }

}  // namespace vtr::eval
