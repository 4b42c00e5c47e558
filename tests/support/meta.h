// A module's values taken away: what it then computes has shapes only, and an operation that meets
// a tensor left behind on the CPU throws. Finds wrong devices on a machine without a GPU.
//
//   to_meta(*model);
//   loss_of(*model, batch_on_meta).backward();
#pragma once

#include <ATen/ExpandUtils.h>
#include <ATen/WrapDimUtils.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <array>
#include <optional>
#include <tuple>
#include <vector>

namespace vtr::test {
namespace detail {

inline void check_meta(std::initializer_list<at::Tensor> tensors) {
  for (const auto& tensor : tensors)
    TORCH_CHECK(!tensor.defined() || tensor.is_meta(), "a CPU tensor");
}

inline std::tuple<at::Tensor, at::Tensor, at::Tensor> layer_norm(
    const at::Tensor& x, at::IntArrayRef shape, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& bias, double) {
  check_meta({weight.value_or(at::Tensor()), bias.value_or(at::Tensor())});
  auto sizes = x.sizes().vec();
  for (size_t i = sizes.size() - shape.size(); i < sizes.size(); ++i) sizes[i] = 1;
  return {at::empty_like(x), x.new_empty(sizes), x.new_empty(sizes)};
}

inline std::tuple<at::Tensor, at::Tensor, at::Tensor> layer_norm_backward(
    const at::Tensor& grad, const at::Tensor& x, at::IntArrayRef shape, const at::Tensor& mean,
    const at::Tensor& rstd, const std::optional<at::Tensor>&, const std::optional<at::Tensor>&,
    std::array<bool, 3>) {
  check_meta({grad, x, mean, rstd});
  return {at::empty_like(x), x.new_empty(shape), x.new_empty(shape)};
}

inline at::Tensor embedding_backward(const at::Tensor& grad, const at::Tensor& ids, int64_t rows,
                                     int64_t, bool) {
  check_meta({grad, ids});
  return grad.new_empty({rows, grad.size(-1)});
}

inline std::vector<int64_t> where_shape(const at::Tensor& condition, const at::Tensor& a,
                                        const at::Tensor& b) {
  for (const auto& x : {condition, a, b}) {
    if (x.dim() > 0) check_meta({x});  // a number may be on the CPU
  }
  return at::infer_size(condition.sizes(), at::infer_size(a.sizes(), b.sizes()));
}

inline at::Tensor where(const at::Tensor& condition, const at::Tensor& a, const at::Tensor& b) {
  const auto shape = where_shape(condition, a, b);
  return at::empty(shape, at::TensorOptions(at::result_type(a, b)).device(at::kMeta));
}

inline at::Tensor& where_out(const at::Tensor& condition, const at::Tensor& a, const at::Tensor& b,
                             at::Tensor& out) {
  out.resize_(where_shape(condition, a, b));
  return out;
}

inline at::Tensor index_select(const at::Tensor& x, int64_t dim, const at::Tensor& index) {
  check_meta({x, index});
  auto sizes = x.sizes().vec();
  sizes[at::maybe_wrap_dim(dim, x.dim())] = index.numel();
  return x.new_empty(sizes);
}

// Kernels that LibTorch has for this device in Python only.
inline void add_meta_kernels() {
  static const bool added [[maybe_unused]] = [] {
    static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__,
                                  __LINE__);
    library.impl("native_layer_norm", layer_norm);
    library.impl("native_layer_norm_backward", layer_norm_backward);
    library.impl("embedding_dense_backward", embedding_backward);
    library.impl("where.self", where);
    library.impl("where.self_out", where_out);
    library.impl("index_select", index_select);
    return true;
  }();
}

}  // namespace detail

// In place, so that the handles a module keeps beside its register follow.
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
