#include "vtr/models/matmul.h"

#include "clip/blocks.h"
#include "support/error_of.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/core/tensor.h"

#include <ATen/CPUFunctions.h>
#include <ATen/cpu/Utils.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::models {
namespace {

// Largest error of a product of 256 terms of size 1, against float64.
double error_of_product() {
  torch::manual_seed(1);
  const Tensor a = torch::randn({64, 256}), b = torch::randn({256, 64});
  const Tensor exact = a.to(torch::kDouble).matmul(b.to(torch::kDouble));
  return (a.matmul(b).to(torch::kDouble) - exact).abs().max().item<double>();
}

// 256 terms of about 1, each rounded by 6e-8: far below bfloat16's 4e-3.
constexpr double kFloat32 = 1e-4;

TEST(Matmul, AutoKeepsFloat32) {
  for (const std::string name : {"auto", "mkl"}) {
    choose_matmul(name);
    EXPECT_LT(error_of_product(), kFloat32) << name;
  }
}

TEST(Matmul, OneDnnIsRefusedWhereItCannotBeHad) {
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    choose_matmul("onednn");
    EXPECT_TRUE(onednn_multiplies());
    EXPECT_LT(error_of_product(),
              at::cpu::get_cpu_capabilities().at("amx_bf16").toBool() ? 1.0 : kFloat32);
  } else {
    test::expect_error([] { choose_matmul("onednn"); }, "only on CPUs with AVX-512");
  }
  choose_matmul("mkl");
  EXPECT_FALSE(onednn_multiplies());
}

// Of products [rows, inner] x [inner, columns].
struct Sizes {
  int64_t rows, inner, columns, batch;
};

// What every product gives from positive values of `type`, computed in `as`.
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

struct Half {
  at::ScalarType type;
  double half_ulp;
};
constexpr Half kHalves[] = {{at::kBFloat16, 0x1p-8}, {at::kHalf, 0x1p-11}};

// In one piece, and by blocks of the rows, of the inner size and of the batch.
TEST(HalfMatmul, RoundsTheSumOnce) {
  for (const auto& sizes : {Sizes{40, 96, 50, 3}, Sizes{3000, 400, 300, 1},
                            Sizes{100, 20000, 60, 1}, Sizes{60, 60, 60, 200}, Sizes{5, 0, 4, 2}}) {
    for (const auto& half : kHalves) {
      const auto got = products(sizes, half.type, half.type);
      const auto want = products(sizes, half.type, at::kDouble);
      for (size_t i = 0; i < got.size(); ++i) {
        SCOPED_TRACE(testing::Message() << "product " << i << " of " << sizes.rows << " x "
                                        << sizes.inner << " in " << half.type);
        ASSERT_EQ(got[i].scalar_type(), half.type);
        constexpr double kFloat32Sum = 1e-5;
        const Tensor bound = want[i] * (half.half_ulp + kFloat32Sum);
        EXPECT_LE(((got[i].to(at::kDouble) - want[i]).abs() - bound).max().item<double>(), 0);
      }
    }
  }
}

// To the bit, which LibTorch's own loop, of another order, misses in hundreds of values.
TEST(HalfMatmul, IsFloat32sWhereOneDnnHasNone) {
  EXPECT_TRUE(has_matmul(at::kFloat));
  const Sizes one_block{400, 400, 300, 2};
  for (const auto& half : kHalves) {
    if (has_matmul(half.type)) continue;
    const auto got = products(one_block, half.type, half.type);
    const auto wide = products(one_block, half.type, at::kFloat);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_TRUE(at::equal(got[i], wide[i].to(half.type))) << half.type << ", product " << i;
    }
  }
}

TEST(HalfMatmul, AttentionIsFloat32sWhereOneDnnHasNone) {
  torch::manual_seed(1);
  for (const auto& half : kHalves) {
    const auto random = [&] { return torch::randn({2, 3, 40, 16}).to(half.type); };
    const Tensor q = random(), k = random(), v = random();
    const Tensor keep = test::lengths_mask({40, 7}, 40).view({2, 1, 1, 40});
    for (const bool causal : {false, true}) {
      const auto attended = [&](at::ScalarType type) {
        return attend(q.to(type).requires_grad_(), k.to(type), v.to(type), causal,
                      causal ? Tensor() : keep);
      };
      const Tensor got = attended(half.type), want = attended(at::kFloat).to(half.type);
      EXPECT_TRUE(test::tensor_near(got, want, has_matmul(half.type) ? 4 * half.half_ulp : 0));
    }
  }
}

TEST(HalfMatmul, LeavesFloat32Alone) {
  const Tensor a = torch::rand({100, 20000}), b = torch::rand({20000, 60});  // two blocks' size
  EXPECT_TRUE(at::equal(at::mm(a, b), at::cpu::mm(a, b)));
  EXPECT_TRUE(at::equal(at::addmm(b[0], a, b), at::cpu::addmm(b[0], a, b)));
}

TEST(HalfMatmul, RefusesWhatLibTorchRefuses) {
  const auto half = [](at::IntArrayRef shape) { return torch::ones(shape, at::kBFloat16); };
  const Tensor a = half({2, 8}), b = half({8, 3});
  EXPECT_THROW(at::mm(a, half({10, 3})), c10::Error);
  EXPECT_THROW(at::mm(a, b.to(at::kFloat)), c10::Error);
  EXPECT_THROW(at::addmm(torch::ones({3}), a, b), c10::Error);
  EXPECT_THROW(at::addmm(half({4}), a, b), c10::Error);
  EXPECT_THROW(at::bmm(half({2, 5, 8}), half({3, 8, 5})), c10::Error);
  EXPECT_THROW(at::bmm(half({3, 5, 8}), half({2, 8, 5})), c10::Error);
  const Tensor nan = at::full({3}, NAN, a.options());
  EXPECT_TRUE(at::equal(at::addmm(nan, a, b, /*beta=*/0), at::mm(a, b)));
}

}  // namespace
}  // namespace vtr::models
