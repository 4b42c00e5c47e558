#include "vtr/train/profile.h"

#include "support/temp_dir.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <numeric>

namespace vtr::train {
namespace {

Profile profile_of(const std::function<void()>& work, const fs::path& trace = {}) {
  Profiler profiler(torch::kCPU);
  work();
  return profiler.stop(trace);
}

const OperatorTime* find(const Profile& profile, const std::string& name) {
  const auto found = std::ranges::find(profile.operators, name, &OperatorTime::name);
  return found == profile.operators.end() ? nullptr : &*found;
}

TEST(Profile, CountsProductsBothWays) {
  const Tensor x = torch::randn({5, 7}).requires_grad_(), w = torch::randn({3, 7}).requires_grad_();
  const Tensor bias = torch::randn(3);
  const auto forward = [&] { return at::linear(x, w, bias); };
  EXPECT_EQ(profile_of([&] { forward(); }).flops, 2 * 5 * 7 * 3);
  EXPECT_EQ(profile_of([&] { forward().sum().backward(); }).flops, 3 * 2 * 5 * 7 * 3);
  const Tensor a = torch::randn({2, 5, 7}), b = torch::randn({2, 7, 3});
  EXPECT_EQ(profile_of([&] { a.matmul(b); }).flops, 2 * 2 * 5 * 7 * 3);
  EXPECT_EQ(profile_of([&] { a.add(1).exp(); }).flops, 0);
}

TEST(Profile, CountsAttention) {
  const auto some = [](int64_t length) { return torch::randn({2, 3, length, 8}).requires_grad_(); };
  const Tensor q = some(5), k = some(6), v = some(6);
  const double product = 2 * (2 * 3 * 5 * 8) * 6;
  const auto attend = [&] { return at::scaled_dot_product_attention(q, k, v); };
  EXPECT_EQ(profile_of([&] { attend(); }).flops, 2 * product);
  EXPECT_EQ(profile_of([&] { attend().sum().backward(); }).flops, (2 + 5) * product);
}

TEST(Profile, TimesAreEachOperatorsOwn) {
  const Tensor x = torch::randn({256, 256});
  const auto profile = profile_of([&] {
    RECORD_USER_SCOPE("outer");
    for (int i = 0; i < 4; ++i) at::linear(x, x);
  });
  const auto* outer = find(profile, "outer");
  const auto* product = find(profile, "aten::mm");
  ASSERT_TRUE(outer && product);
  EXPECT_EQ(outer->calls, 1);
  EXPECT_EQ(product->calls, 4);
  EXPECT_EQ(product->flops, profile.flops);
  double sum = 0;
  for (const auto& time : profile.operators) {
    EXPECT_GE(time.seconds, 0) << time.name;
    sum += time.seconds;
  }
  EXPECT_LE(sum, profile.seconds);
  EXPECT_TRUE(std::ranges::is_sorted(profile.operators, std::greater(), &OperatorTime::seconds));
}

TEST(Profile, WritesATrace) {
  const test::TempDir dir;
  profile_of([] { torch::ones({2, 2}).matmul(torch::ones({2, 2})); }, dir / "trace.json");
  const auto trace = nlohmann::json::parse(read_file(dir / "trace.json"));
  const auto& events = trace.at("traceEvents");
  EXPECT_TRUE(std::ranges::any_of(
      events, [](const auto& event) { return event.value("name", "") == "aten::mm"; }));
}

TEST(Profile, TableHasTheRestAndTheRates) {
  const Profile profile{.seconds = 2,
                        .flops = 4e9,
                        .operators = {{"aten::mm", 10, 1.5, 4e9}, {"aten::add", 4, 0.001, 0}}};
  const std::string text = table_of(profile, /*steps=*/2, /*ceiling=*/8e9);
  for (const std::string part :
       {"aten::mm", "750.00", "75.0 %", "(below a thousandth)", "(between operators)", "24.9 %",
        "a step: 1000.0 ms, 2.0 GFLOP", "2 GFLOP/s, 25 % of the 8"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  EXPECT_EQ(text.find("aten::add"), std::string::npos);
}

TEST(Profile, CeilingIsARate) { EXPECT_GT(matmul_ceiling(torch::kCPU, "fp32"), 1e8); }

}  // namespace
}  // namespace vtr::train
