#include "half_matmul.h"

#include "vtr/core/tensor.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

// Of products [rows, inner] x [inner, columns]; all values are positive.
struct Sizes {
  int64_t rows, inner, columns, batch;
};

// What every product gives from values of `type`, computed in `as`.
std::vector<Tensor> products(const Sizes& s, at::ScalarType type, at::ScalarType as) {
  torch::manual_seed(1);
  const auto random = [&](at::IntArrayRef shape) { return torch::rand(shape).to(type).to(as); };
  const Tensor a = random({s.rows, s.inner}), b = random({s.columns, s.inner}).t();
  const Tensor bias = random({s.columns});
  const Tensor x = random({s.batch, s.rows, s.inner}), y = random({s.batch, s.inner, s.columns});
  const Tensor z = random({s.batch, s.rows, s.columns});
  return {at::mm(a, b), at::addmm(bias, a, b), at::addmm(bias, a, b, 0.5, 2), at::bmm(x, y),
          at::baddbmm(z, x, y, 0.5, 2)};
}

// In one piece, and by blocks of the rows, of the inner size and of the batch.
TEST(HalfMatmul, RoundsTheSumOnce) {
  speed_up_half_matmul();
  speed_up_half_matmul();
  for (const auto& sizes : {Sizes{40, 96, 50, 3}, Sizes{3000, 400, 300, 1},
                            Sizes{100, 20000, 60, 1}, Sizes{60, 60, 60, 200}, Sizes{5, 0, 4, 2}}) {
    for (const auto& [type, half_ulp] : {std::pair{at::kBFloat16, 0x1p-8}, {at::kHalf, 0x1p-11}}) {
      const auto got = products(sizes, type, type), want = products(sizes, type, at::kDouble);
      for (size_t i = 0; i < got.size(); ++i) {
        SCOPED_TRACE(testing::Message() << "product " << i << " of " << sizes.rows << " x "
                                        << sizes.inner << " in " << c10::toString(type));
        ASSERT_EQ(got[i].scalar_type(), type);
        constexpr double kFloat32Sum = 1e-5;
        const Tensor bound = want[i] * (half_ulp + kFloat32Sum);
        EXPECT_LE(((got[i].to(at::kDouble) - want[i]).abs() - bound).max().item<double>(), 0);
      }
    }
  }
}

TEST(HalfMatmul, LeavesFloat32Alone) {
  const Sizes sizes{40, 96, 50, 3};
  const auto before = products(sizes, at::kFloat, at::kFloat);
  speed_up_half_matmul();
  const auto after = products(sizes, at::kFloat, at::kFloat);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i])) << i;
}

}  // namespace
}  // namespace vtr::models
