#include "heads/token_selection.h"

#include "vtr/core/error.h"

#include <torch/autograd.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

constexpr int64_t kSamples = 500;
constexpr double kSigma = 0.05;

// Which patches are chosen, by number: scores [.., P] -> [.., K], rising.
Tensor chosen(const Tensor& scores, int64_t k) {
  return std::get<0>(std::get<1>(scores.topk(k)).sort());
}

// With o_s the one-hot choices and u_s the noise, the value is mean_s o_s and its derivative by the
// scores mean_s o_s u_s / sigma; the second, kept for the way back, is as small as the first.
class PerturbedTopK final : public torch::autograd::Function<PerturbedTopK> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& scores,
                        const Tensor& noise, int64_t k, double sigma) {
    const int64_t samples = noise.size(1);
    const Tensor places = chosen(scores.unsqueeze(1) + sigma * noise, k);  // [R, S, K]
    const Tensor moved = noise.gather(-1, places).transpose(1, 2);         // [R, K, S]
    const auto mean = [&](const Tensor& x) {
      return (torch::zeros({scores.size(0), k, scores.size(1)}, scores.options())
                  .scatter_add_(-1, places.transpose(1, 2), x)) /
             static_cast<double>(samples);
    };
    context->save_for_backward({mean(moved) / sigma});
    return mean(torch::ones_like(moved));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor derivative = context->get_saved_variables()[0];  // [R, K, P]
    return {(gradients[0] * derivative).sum(1), Tensor(), Tensor(), Tensor()};
  }
};

torch::nn::Linear linear(int64_t in, int64_t out) {
  torch::nn::Linear result(torch::nn::LinearOptions(in, out).bias(false));
  const torch::NoGradGuard no_grad;
  result->weight.normal_(0, 0.02);
  return result;
}

}  // namespace

Tensor perturbed_topk(const Tensor& scores, const Tensor& noise, int64_t k, double sigma) {
  return PerturbedTopK::apply(scores, noise, k, sigma);
}

ScorePredictor::ScorePredictor(int64_t width) {
  VTR_CHECK(width % 2 == 0, "model.head: ts2 needs an even width, not {}", width);
  norm_ = torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
  inner_ = linear(width, width / 2);
  joined_ = linear(width, width / 2);
  last_ = linear(width / 2, 1);
  register_module("in_conv", torch::nn::Sequential(norm_, inner_, torch::nn::GELU()));
  register_module("out_conv", torch::nn::Sequential(joined_, torch::nn::GELU(), last_));
}

Tensor ScorePredictor::forward(const Tensor& tokens) {
  const Tensor own = torch::gelu(inner_(norm_(tokens)));  // [B, T, 1 + P, D / 2]
  const Tensor global = own.slice(2, 0, 1).expand_as(own);
  return last_(torch::gelu(joined_(torch::cat({own, global}, -1)))).squeeze(-1).tanh();
}

VisualTokenSelection::VisualTokenSelection(int64_t width, int64_t k)
    : k_(k),
      score_predictor_(
          register_module("score_predictor", std::make_shared<ScorePredictor>(width))) {}

Tensor VisualTokenSelection::forward(const Tensor& tokens, bool perturbed) {
  const Tensor patches = tokens.slice(2, 1);  // [B, T, P, D]
  VTR_CHECK(k_ <= patches.size(2), "model.head.tokens: {} is more than the {} patches of a frame",
            k_, patches.size(2));
  const Tensor scores = score_predictor_->forward(tokens).slice(2, 1);  // [B, T, P]
  Tensor picked;                                                        // [B, T, K, D]
  if (perturbed) {
    const Tensor rows = scores.flatten(0, 1);
    const Tensor noise = torch::randn({rows.size(0), kSamples, rows.size(1)}, rows.options());
    const Tensor shares = perturbed_topk(rows, noise, k_, kSigma);
    picked = shares.unflatten(0, {tokens.size(0), tokens.size(1)}).matmul(patches);
  } else {
    const Tensor places = chosen(scores, k_).unsqueeze(-1);
    picked = patches.gather(2, places.expand({-1, -1, -1, patches.size(-1)}));
  }
  return torch::cat({tokens.slice(2, 0, 1), picked}, 2);
}

}  // namespace vtr::models
