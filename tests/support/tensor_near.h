// Tensors compared by their largest difference, with where it is.
//
//   EXPECT_TRUE(tensor_near(got, want, 1e-5));
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace vtr::test {

inline double max_delta(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// max |got - want| <= bound, on the CPU in double; shapes must be equal, NaN is far from
// everything.
inline testing::AssertionResult tensor_near(const at::Tensor& got, const at::Tensor& want,
                                            double bound) {
  if (!got.defined() || !want.defined()) return testing::AssertionFailure() << "undefined tensor";
  if (got.sizes() != want.sizes()) {
    return testing::AssertionFailure() << "shape " << got.sizes() << ", expected " << want.sizes();
  }
  if (got.numel() == 0) return testing::AssertionSuccess();
  const auto a = got.detach().to(at::kCPU, at::kDouble).flatten();
  const auto b = want.detach().to(at::kCPU, at::kDouble).flatten();
  // max |d| of NaN would be NaN: count it as infinity.
  const auto delta =
      at::where(a.eq(b), at::zeros_like(a), (a - b).abs()).nan_to_num(INFINITY, INFINITY, INFINITY);
  const int64_t at = delta.argmax().item<int64_t>();
  const double worst = delta[at].item<double>();
  if (worst <= bound) return testing::AssertionSuccess();
  std::vector<int64_t> index(got.dim());
  for (int64_t d = got.dim() - 1, rest = at; d >= 0; rest /= got.size(d--)) {
    index[d] = rest % got.size(d);
  }
  return testing::AssertionFailure() << "max |delta| " << worst << " > " << bound << " at " << index
                                     << ": got " << a[at].item<double>() << ", expected "
                                     << b[at].item<double>() << " (shape " << got.sizes() << ")";
}

}  // namespace vtr::test
