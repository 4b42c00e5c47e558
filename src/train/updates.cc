#include "vtr/train/updates.h"

#include <torch/types.h>

namespace vtr::train {
namespace {

constexpr double kBelowOne = 0.999999;  // 1 minus it divides

struct Betas {
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-6;
  void fields(auto& f) {
    f("beta1", beta1, "of the running mean of gradients", config::between(0, kBelowOne));
    f("beta2", beta2, "of the running mean of their squares", config::between(0, kBelowOne));
    f("eps", eps, "added to the square root that divides", config::at_least(0));
  }
};

std::optional<Tensor> given(const Tensor& value) {
  return value.defined() ? std::optional(value) : std::nullopt;
}

// Loshchilov and Hutter, ICLR 2019.
void adamw(const Betas& o, const Moments& m, const Pace& pace) {
  at::_fused_adamw_(m.parameters, m.gradients, m.mean, m.square, /*max_exp_avg_sqs=*/{}, m.steps,
                    pace.rate, o.beta1, o.beta2, pace.decay, o.eps, /*amsgrad=*/false,
                    /*maximize=*/false, given(pace.scale), given(pace.skip));
}

struct AdamOptions : Betas {
  AdamOptions() : Betas{0.9, 0.999, 1e-8} {}
};

// Kingma and Ba, ICLR 2015; the decay is part of the gradient.
void adam(const AdamOptions& o, const Moments& m, const Pace& pace) {
  at::_fused_adam_(m.parameters, m.gradients, m.mean, m.square, /*max_exp_avg_sqs=*/{}, m.steps,
                   pace.rate, o.beta1, o.beta2, pace.decay, o.eps, /*amsgrad=*/false,
                   /*maximize=*/false, given(pace.scale), given(pace.skip));
}

struct BertAdamOptions : Betas {
  double max_grad_norm = 1;
  void fields(auto& f) {
    Betas::fields(f);
    f("max_grad_norm", max_grad_norm, "largest norm of one parameter's gradient; 0: no clipping",
      config::at_least(0));
  }
};

// Scales each gradient down to a norm of `most` times the scale it will be divided by.
void clip_each(const std::vector<Tensor>& gradients, double most, const Tensor& scale) {
  auto factors = at::_foreach_norm(gradients);
  if (scale.defined()) at::_foreach_div_(factors, scale);
  at::_foreach_add_(factors, 1e-6);
  at::_foreach_reciprocal_(factors);
  at::_foreach_mul_(factors, most);
  at::_foreach_clamp_max_(factors, 1);
  at::_foreach_mul_(gradients, factors);
}

// The Adam that BERT's and CLIP4Clip's authors train with: no bias correction. That is AdamW after
// so many steps that its corrections are 1, so it is told of as many.
void bert_adam(const BertAdamOptions& o, const Moments& m, const Pace& pace) {
  if (o.max_grad_norm > 0) clip_each(m.gradients, o.max_grad_norm, pace.scale);
  Moments late = m;
  late.steps.assign(m.steps.size(), at::full({}, 1e7, m.steps.front().options()));
  adamw(o, late, pace);
}

template <class Options>
OptimizerEntry entry(std::string name, std::string summary,
                     void (*update)(const Options&, const Moments&, const Pace&)) {
  return {std::move(name), std::move(summary), config::schema<Options>(),
          [update](const config::Node& node) -> Update {
            const auto options = config::read<Options>(node, "train.optimizer");
            return [=](const Moments& m, const Pace& pace) { update(options, m, pace); };
          }};
}

}  // namespace

const Table<OptimizerEntry>& optimizers() {
  static const Table<OptimizerEntry> table(
      "optimizer", {entry("adamw", "Adam with decoupled weight decay", adamw),
                    entry("adam", "Adam, the decay in the gradient", adam),
                    entry("bert_adam",
                          "AdamW without bias correction, each parameter's gradient clipped "
                          "(CLIP4Clip)",
                          bert_adam)});
  return table;
}

Update make_update(const config::Choice& choice) {
  return optimizers().find(choice.name).make(choice.options);
}

}  // namespace vtr::train
