#include "vtr/models/matmul.h"

#include "support/error_of.h"

#include "vtr/core/tensor.h"

#include <gtest/gtest.h>
#include <torch/types.h>

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
  const bool can = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (can) {
    choose_matmul("onednn");
    EXPECT_TRUE(onednn_multiplies());
    EXPECT_LT(error_of_product(), __builtin_cpu_supports("amx-bf16") ? 1.0 : kFloat32);
  } else {
    test::expect_error([] { choose_matmul("onednn"); }, "only on CPUs with AVX-512");
  }
  choose_matmul("mkl");
  EXPECT_FALSE(onednn_multiplies());
}

}  // namespace
}  // namespace vtr::models
