#include "half_matmul.h"

#include "vtr/core/tensor.h"

#include <ATen/CPUFunctions.h>
#include <torch/library.h>

#include <algorithm>

namespace vtr::models {
namespace {

using at::Scalar;

#if defined(__x86_64__)
// LibTorch's own conditions.
bool onednn_has(at::ScalarType type) {
  if (type == at::kHalf) return __builtin_cpu_supports("avx512fp16");
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}
#else
bool onednn_has(at::ScalarType) { return true; }
#endif

bool loops(const Tensor& x) {
  const at::ScalarType type = x.scalar_type();
  return (type == at::kBFloat16 || type == at::kHalf) && !onednn_has(type);
}

Tensor wide(const Tensor& x) { return x.to(at::kFloat); }

// Calls part(begin, count) for all of `size`, by as many as have 4 MB of `each` float32 values:
// what goes through float32 is not to outweigh the halves.
void by_blocks(int64_t size, int64_t each, const auto& part) {
  const int64_t most = std::max<int64_t>(1, (1 << 20) / std::max<int64_t>(1, each));
  for (int64_t i = 0; i < size; i += most) part(i, std::min(most, size - i));
}

// [m, k] x [k, n], by blocks of m, or of k where that is longer, as in a weight's gradient.
Tensor add_product(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
                   const Scalar& alpha) {
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  const Tensor start = c.expand({m, n});
  if (k > m) {
    Tensor sum;
    by_blocks(k, m + n, [&](int64_t i, int64_t count) {
      const Tensor left = wide(a.narrow(1, i, count)), right = wide(b.narrow(0, i, count));
      if (i == 0) {
        sum = at::cpu::addmm(wide(start), left, right, beta, alpha);
      } else {
        at::cpu::addmm_(sum, left, right, 1, alpha);
      }
    });
    return sum.to(a.scalar_type());
  }
  const Tensor result = at::empty({m, n}, a.options()), right = wide(b);
  by_blocks(m, k + 2 * n, [&](int64_t i, int64_t count) {
    const Tensor left = wide(a.narrow(0, i, count));
    result.narrow(0, i, count)
        .copy_(at::cpu::addmm(wide(start.narrow(0, i, count)), left, right, beta, alpha));
  });
  return result;
}

// [B, m, k] x [B, k, n], by blocks of B.
Tensor add_products(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
                    const Scalar& alpha) {
  const int64_t m = a.size(1), k = a.size(2), n = b.size(2);
  const Tensor result = at::empty({a.size(0), m, n}, a.options());
  const Tensor start = c.expand(result.sizes());
  by_blocks(a.size(0), m * k + k * n + 2 * m * n, [&](int64_t i, int64_t count) {
    const auto some = [&](const Tensor& x) { return wide(x.narrow(0, i, count)); };
    result.narrow(0, i, count).copy_(at::cpu::baddbmm(some(start), some(a), some(b), beta, alpha));
  });
  return result;
}

Tensor mm(const Tensor& a, const Tensor& b) {
  return loops(a) ? add_product(at::zeros({1}, a.options()), a, b, 0, 1) : at::cpu::mm(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  return loops(a) ? add_products(at::zeros({1}, a.options()), a, b, 0, 1) : at::cpu::bmm(a, b);
}

Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
             const Scalar& alpha) {
  return loops(a) ? add_product(c, a, b, beta, alpha) : at::cpu::addmm(c, a, b, beta, alpha);
}

Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,
               const Scalar& alpha) {
  return loops(a) ? add_products(c, a, b, beta, alpha) : at::cpu::baddbmm(c, a, b, beta, alpha);
}

// Registration over LibTorch's kernels warns, of what is done on purpose here.
struct Silent final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

torch::Library registered() {
  Silent silent;
  const c10::WarningUtils::WarningHandlerGuard guard(&silent);
  torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
  library.impl("mm", mm);
  library.impl("bmm", bmm);
  library.impl("addmm", addmm);
  library.impl("baddbmm", baddbmm);
  return library;
}

}  // namespace

void speed_up_half_matmul() {
  if (onednn_has(at::kBFloat16) && onednn_has(at::kHalf)) return;
  static const torch::Library kernels = registered();
}

}  // namespace vtr::models
