// A module's values taken away: what it then computes has shapes only, and under MetaMode an
// operation that meets a tensor left behind on the CPU throws. Finds wrong devices without a GPU.
//
//   to_meta(*model);
//   MetaMode mode;
//   loss_of(*model, batch_on_meta).backward();
#pragma once

#include <torch/library.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <string>
#include <vector>

namespace vtr::test {
namespace detail {

// The same shape and dtype on the CPU; numbers (no dimensions) may be there already.
inline c10::IValue stand_in(const c10::IValue& value) {
  if (value.isTensorList()) {
    std::vector<at::Tensor> tensors;
    for (const at::Tensor& t : value.toTensorVector()) tensors.push_back(stand_in(t).toTensor());
    return tensors;
  }
  if (!value.isTensor() || !value.toTensor().defined()) return value;
  const at::Tensor& tensor = value.toTensor();
  TORCH_CHECK(tensor.is_meta() || tensor.dim() == 0, "a tensor of shape ", tensor.sizes(),
              " was left on the CPU");
  return at::zeros(tensor.sizes(), tensor.options().device(at::kCPU));
}

// An operation's kernel for meta tensors that runs the CPU's on zeros and keeps the result's shape.
inline void shapes_by_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const size_t begin = stack->size() - schema.arguments().size();
  const std::vector<c10::IValue> arguments(stack->begin() + begin, stack->end());
  for (size_t i = begin; i < stack->size(); ++i) (*stack)[i] = stand_in((*stack)[i]);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  for (size_t i = 0; i < schema.returns().size(); ++i) {
    c10::IValue& result = (*stack)[begin + i];
    if (!result.isTensor() || !result.toTensor().defined()) continue;
    at::Tensor meta =
        at::empty_like(result.toTensor(), result.toTensor().options().device(at::kMeta));
    for (size_t j = 0; j < arguments.size(); ++j) {  // an output argument is returned itself
      const auto* alias = schema.arguments()[j].alias_info();
      if (alias == nullptr || !schema.returns()[i].alias_info()) continue;
      if (*alias == *schema.returns()[i].alias_info()) {
        meta = arguments[j].toTensor().resize_(meta.sizes());
      }
    }
    result = meta;
  }
}

// Whether LibTorch knows the operation's result on this device in Python only. What returns values
// to the host (`item`) stays an error.
inline bool lacks_meta(const c10::OperatorHandle& op) {
  const auto& returns = op.schema().returns();
  const auto is_tensor = [](const auto& r) {
    return r.type()->kind() == c10::TypeKind::TensorType;
  };
  return op.operator_name().getNamespace() == "aten" &&
         (!returns.empty() || op.schema().is_mutable()) &&
         std::all_of(returns.begin(), returns.end(), is_tensor) &&
         op.hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
         !op.hasKernelForDispatchKey(c10::DispatchKey::Meta);
}

inline void add_meta_kernels() {
  static const bool added [[maybe_unused]] = [] {
    static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__,
                                  __LINE__);
    auto& dispatcher = c10::Dispatcher::singleton();
    for (const auto& name : dispatcher.getAllOpNames()) {
      const auto op = dispatcher.findSchema(name);
      if (!op || !lacks_meta(*op)) continue;
      const std::string full = c10::toString(name);
      library.impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&shapes_by_cpu>());
    }
    return true;
  }();
}

// Before any operation: meta kernels of matrix products and some others do not look themselves.
inline void refuse_mixed(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  bool cpu = false, meta = false;
  const auto look = [&](const at::Tensor& tensor) {
    if (tensor.defined() && tensor.dim() > 0) (tensor.is_meta() ? meta : cpu) = true;
  };
  for (const c10::IValue& input : torch::jit::last(*stack, op.schema().arguments().size())) {
    if (input.isTensor()) look(input.toTensor());
    if (input.isTensorList()) std::ranges::for_each(input.toTensorVector(), look);
  }
  TORCH_CHECK(!cpu || !meta, op.schema().name(), ": a tensor was left on the CPU");
  const c10::impl::ExcludeDispatchKeyGuard inside(c10::DispatchKey::TESTING_ONLY_GenericMode);
  op.callBoxed(stack);
}

}  // namespace detail

class MetaMode {
 public:
  MetaMode() : on_((add_check(), c10::DispatchKey::TESTING_ONLY_GenericMode)) {}

 private:
  static void add_check() {
    static torch::Library library(torch::Library::IMPL, "_",
                                  c10::DispatchKey::TESTING_ONLY_GenericMode, __FILE__, __LINE__);
    static const bool added [[maybe_unused]] = [] {
      library.fallback(torch::CppFunction::makeFromBoxedFunction<&detail::refuse_mixed>());
      return true;
    }();
  }
  c10::impl::IncludeDispatchKeyGuard on_;
};

// In place, so that the handles a module keeps beside its register follow. (`Module::to` cannot.)
inline void to_meta(torch::nn::Module& module) {
  detail::add_meta_kernels();
  const auto change = [](const at::Tensor& tensor) {
    const auto meta = at::empty_like(tensor.detach(), tensor.options().device(at::kMeta));
    tensor.unsafeGetTensorImpl()->shallow_copy_from(meta.getIntrusivePtr());
  };
  for (const auto& parameter : module.parameters()) change(parameter);
  for (const auto& buffer : module.buffers()) change(buffer);
}

}  // namespace vtr::test
