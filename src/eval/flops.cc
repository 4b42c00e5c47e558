#include "vtr/eval/flops.h"

#include <ATen/core/ivalue.h>

#include <numeric>

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

// Its gradient of x and of weight; what arrives has a value for every one that came out.
int64_t convolution_backward(Values inputs) {
  const auto &gradient = inputs[0].toTensor(), &weight = inputs[2].toTensor();
  return 2 * 2 * gradient.numel() * (weight.numel() / weight.size(0));
}

// The gradient, then q, k, v: the logits again, two products of k's width and two of v's.
int64_t attention_backward(Values inputs) {
  const auto &q = inputs[1].toTensor(), &k = inputs[2].toTensor(), &v = inputs[3].toTensor();
  return 2 * q.numel() / q.size(-1) * k.size(-2) * (3 * q.size(-1) + 2 * v.size(-1));
}

// One layer, one direction: x [T, B, I], weights [4 H, I] and [4 H, H].
int64_t lstm_layer(Values inputs) {
  const auto& x = inputs[0].toTensor();
  const int64_t weights = inputs[1].toTensor().numel() + inputs[2].toTensor().numel();
  return 2 * x.size(0) * x.size(1) * weights;
}

// The same of all layers: x [T, B, I] and a list of their weights, vectors of biases among them.
int64_t cudnn_rnn(Values inputs) {
  const auto& x = inputs[0].toTensor();
  int64_t weights = 0;
  for (const auto& w : inputs[1].toTensorVector()) weights += w.dim() == 2 ? w.numel() : 0;
  return 2 * x.size(0) * x.size(1) * weights;
}

int64_t cudnn_rnn_backward(Values inputs) { return 2 * cudnn_rnn(inputs); }

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
    {"aten::convolution_backward", convolution_backward},
    {"aten::_scaled_dot_product_flash_attention_for_cpu", attention},
    {"aten::_scaled_dot_product_flash_attention", attention},
    {"aten::_scaled_dot_product_efficient_attention", attention},
    {"aten::_scaled_dot_product_cudnn_attention", attention},
    {"aten::_scaled_dot_product_flash_attention_for_cpu_backward", attention_backward},
    {"aten::_scaled_dot_product_flash_attention_backward", attention_backward},
    {"aten::_scaled_dot_product_efficient_attention_backward", attention_backward},
    {"aten::_scaled_dot_product_cudnn_attention_backward", attention_backward},
    {"aten::mkldnn_rnn_layer", lstm_layer},
    {"aten::_cudnn_rnn", cudnn_rnn},
    {"aten::_cudnn_rnn_backward", cudnn_rnn_backward}};

}  // namespace

FlopCounter* FlopCounter::current = nullptr;

FlopCounter::FlopCounter() {
  current = this;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(
          [](const at::RecordFunction& op) -> std::unique_ptr<at::ObserverContext> {
            const auto rule = kRules.find(op.name());
            if (rule == kRules.end()) return nullptr;
            const std::lock_guard lock(current->mutex_);
            current->counts_[rule->first] += rule->second(op.inputs());
            return nullptr;
          })
          .needsInputs(true)
          .scopes({at::RecordScope::FUNCTION}));
}

FlopCounter::~FlopCounter() { at::removeCallback(handle_); }

int64_t FlopCounter::count() const {
  const auto counts = by_operator();
  return std::accumulate(counts.begin(), counts.end(), int64_t{0},
                         [](int64_t sum, const auto& one) { return sum + one.second; });
}

std::map<std::string, int64_t> FlopCounter::by_operator() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace vtr::eval
