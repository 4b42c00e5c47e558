#include "vtr/models/matmul.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/core/tensor.h"

#include <ATen/CPUFunctions.h>
#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>
#include <torch/library.h>

#include <algorithm>

namespace vtr::models {
namespace {

using at::Scalar;

constexpr auto kLibrary = at::Float32Backend::MKLDNN;
constexpr auto kProducts = at::Float32Op::MATMUL;

bool cpu_has(const std::string& capability) {
  static const auto all = at::cpu::get_cpu_capabilities();
  const auto found = all.find(capability);
  return found != all.end() && found->second.isBool() && found->second.toBool();
}

bool cpu_has_avx512() {
  return cpu_has("avx512_bw") && cpu_has("avx512_vl") && cpu_has("avx512_dq");
}

bool slow_in_mkl() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

// Whether a x b + c is formed here. What LibTorch refuses goes its way.
bool widens(const Tensor& a, const Tensor& b, const Tensor& c, int64_t dims) {
  const at::ScalarType type = a.scalar_type();
  const bool same = b.scalar_type() == type && (!c.defined() || c.scalar_type() == type);
  return !has_matmul(type) && same && a.dim() == dims && b.dim() == dims &&
         a.size(-1) == b.size(-2) && (dims == 2 || a.size(0) == b.size(0));
}

// The part of x that is `count` long from `begin` on along `dim`, in float32.
Tensor wide(const Tensor& x, int64_t dim, int64_t begin, int64_t count) {
  return x.defined() ? x.narrow(dim, begin, count).to(at::kFloat) : x;
}

// Calls part(begin, count) for all of `size`, by as many as have 4 MB of `each` float32 values.
void by_blocks(int64_t size, int64_t each, const auto& part) {
  const int64_t most = std::max<int64_t>(1, (1 << 20) / std::max<int64_t>(1, each));
  for (int64_t i = 0; i < size; i += most) part(i, std::min(most, size - i));
}

// beta c + alpha a b, [m, k] x [k, n], by blocks of m, or of k where that is longer, as in a
// weight's gradient. An undefined c is none.
Tensor widened(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
               const Scalar& alpha) {
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  const Tensor start = c.defined() ? c.expand({m, n}) : c;
  const auto first = [&](const Tensor& begun, const Tensor& left, const Tensor& right) {
    return begun.defined() ? at::cpu::addmm(begun, left, right, beta, alpha)
                           : at::cpu::mm(left, right);
  };
  if (k > m) {
    Tensor sum;
    by_blocks(k, m + n, [&](int64_t i, int64_t count) {
      const Tensor left = wide(a, 1, i, count), right = wide(b, 0, i, count);
      if (i == 0) {
        sum = first(wide(start, 0, 0, m), left, right);
      } else {
        at::cpu::addmm_(sum, left, right, 1, alpha);
      }
    });
    return sum.to(a.scalar_type());
  }
  const Tensor result = at::empty({m, n}, a.options()), right = wide(b, 0, 0, k);
  by_blocks(m, k + 2 * n, [&](int64_t i, int64_t count) {
    result.narrow(0, i, count).copy_(first(wide(start, 0, i, count), wide(a, 0, i, count), right));
  });
  return result;
}

// [B, m, k] x [B, k, n], by blocks of B.
Tensor widened_batch(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
                     const Scalar& alpha) {
  const int64_t m = a.size(1), k = a.size(2), n = b.size(2);
  const Tensor result = at::empty({a.size(0), m, n}, a.options());
  const Tensor start = c.defined() ? c.expand(result.sizes()) : c;
  by_blocks(a.size(0), m * k + k * n + 2 * m * n, [&](int64_t i, int64_t count) {
    const Tensor left = wide(a, 0, i, count), right = wide(b, 0, i, count);
    result.narrow(0, i, count)
        .copy_(c.defined() ? at::cpu::baddbmm(wide(start, 0, i, count), left, right, beta, alpha)
                           : at::cpu::bmm(left, right));
  });
  return result;
}

Tensor mm(const Tensor& a, const Tensor& b) {
  return widens(a, b, {}, 2) ? widened({}, a, b, 1, 1) : at::cpu::mm(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  return widens(a, b, {}, 3) ? widened_batch({}, a, b, 1, 1) : at::cpu::bmm(a, b);
}

Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
             const Scalar& alpha) {
  return widens(a, b, c, 2) ? widened(c, a, b, beta, alpha) : at::cpu::addmm(c, a, b, beta, alpha);
}

Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
               const Scalar& alpha) {
  return widens(a, b, c, 3) ? widened_batch(c, a, b, beta, alpha)
                            : at::cpu::baddbmm(c, a, b, beta, alpha);
}

// Registration over LibTorch's kernels warns, of what is done on purpose here.
struct Silent final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

// As the program starts: a call could come too late, or beside a product.
TORCH_LIBRARY_IMPL(aten, CPU, library) {
  if (has_matmul(at::kBFloat16) && has_matmul(at::kHalf)) return;
  Silent silent;
  const c10::WarningUtils::WarningHandlerGuard guard(&silent);
  library.impl("mm", mm);
  library.impl("bmm", bmm);
  library.impl("addmm", addmm);
  library.impl("baddbmm", baddbmm);
}

}  // namespace

at::ScalarType scalar_type_of(const std::string& precision) {
  return precision == "bf16" ? at::kBFloat16 : precision == "fp16" ? at::kHalf : at::kFloat;
}

bool has_matmul(at::ScalarType type) {
#if defined(__x86_64__)
  // LibTorch's conditions for handing products of them to oneDNN.
  if (type == at::kHalf) return cpu_has("avx512_fp16") || cpu_has("avx_ne_convert");
  if (type == at::kBFloat16) return cpu_has_avx512() || cpu_has("avx_ne_convert");
#endif
  return true;
}

void choose_matmul(const std::string& name) {
  VTR_CHECK(name != "onednn" || cpu_has_avx512(),
            "matmul: LibTorch hands products to onednn only on CPUs with AVX-512; auto or mkl "
            "work here");
  const bool exact = cpu_has_avx512() && !cpu_has("amx_bf16");
  const bool chosen = name == "onednn" || (name == "auto" && exact && slow_in_mkl());
  if (chosen && !exact) {
    log::warn("[model] matmul: onednn rounds the factors of float32 products to bfloat16 here");
  }
  at::globalContext().setFloat32Precision(
      kLibrary, kProducts, chosen ? at::Float32Precision::BF16 : at::Float32Precision::IEEE);
}

bool onednn_multiplies() {
  return at::globalContext().float32Precision(kLibrary, kProducts) == at::Float32Precision::BF16;
}

}  // namespace vtr::models
