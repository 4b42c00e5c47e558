#include "recompute.h"

#include "precision.h"

#include <torch/autograd.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

struct Again final : torch::CustomClassHolder {
  Again(const Body& run, std::string in) : body(run), precision(std::move(in)) {}
  Body body;
  std::string precision;
};

class Recomputed final : public torch::autograd::Function<Recomputed> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        at::TensorList parameters, const Body& body) {
    torch::autograd::variable_list kept = {x};
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    context->save_for_backward(kept);
    context->saved_data["again"] =
        c10::IValue::make_capsule(c10::make_intrusive<Again>(body, current_precision(x.device())));
    const torch::AutoGradMode on(true);  // the kernels taken now are then those of the second run
    return body(x).detach();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto inputs = context->get_saved_variables();
    inputs[0] = inputs[0].detach().requires_grad_(inputs[0].requires_grad());
    torch::autograd::variable_list wanted;
    for (const Tensor& input : inputs) {
      if (input.requires_grad()) wanted.push_back(input);
    }
    const auto again =
        c10::static_intrusive_pointer_cast<Again>(context->saved_data["again"].toCapsule());
    const torch::AutoGradMode on(true);
    const Autocast autocast(inputs[0].device(), again->precision);
    const auto found =
        torch::autograd::grad({again->body(inputs[0])}, wanted, gradients, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    torch::autograd::variable_list result;
    auto next = found.begin();
    for (const Tensor& input : inputs) {
      result.push_back(input.requires_grad() ? *next++ : Tensor());
    }
    result.emplace_back();  // of `body`
    return result;
  }
};

}  // namespace

Tensor recomputed(const Tensor& x, const std::vector<Tensor>& parameters, const Body& body) {
  if (!torch::GradMode::is_enabled()) return body(x);
  return Recomputed::apply(x, at::TensorList(parameters), body);
}

}  // namespace vtr::models
