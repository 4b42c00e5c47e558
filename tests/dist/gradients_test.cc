#include "vtr/dist/gradients.h"

#include "support/ranks.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/types.h>

namespace vtr::dist {
namespace {

// Five layers, each a bucket of its own, used in another order than they are listed; the last
// parameter has its gradient before the last way back, the one before it never has one.
constexpr int64_t kWidth = 16;
constexpr size_t kBytes = 4 * kWidth * kWidth - 1;
const std::vector<size_t> kUsed = {2, 0, 4, 1, 3};

// Of a generator of its own: the ranks are threads, and would share the default one.
Tensor drawn(at::IntArrayRef shape, uint64_t seed) {
  return torch::randn(shape, at::detail::createCPUGenerator(seed));
}

std::vector<Tensor> parameters() {
  std::vector<Tensor> all;
  for (size_t i = 0; i < kUsed.size(); ++i) {
    all.push_back((drawn({kWidth, kWidth}, i) / std::sqrt(kWidth)).requires_grad_());
  }
  all.push_back(torch::zeros({3}).requires_grad_());
  all.push_back(torch::ones({kWidth}).requires_grad_());
  return all;
}

// Two ways back, of which the second is the step's last.
void step(const std::vector<Tensor>& all, const Tensor& x, Gradients& gradients) {
  (x * all.back()).sum().backward();
  Tensor y = x;
  for (const size_t i : kUsed) y = torch::matmul(y, all[i]).tanh();
  gradients.backward({y}, {torch::ones_like(y)});
}

Tensor input(int64_t rank) { return drawn({2, kWidth}, 10 + static_cast<uint64_t>(rank)); }

std::vector<Tensor> taken(const std::vector<Tensor>& all) {
  std::vector<Tensor> result;
  for (const Tensor& parameter : all) {
    result.push_back(parameter.grad());
    parameter.mutable_grad().reset();
  }
  return result;
}

std::vector<Tensor> sums_of_single_processes(int64_t ranks) {
  const auto all = parameters();
  Group alone;
  Gradients gradients(alone, all);
  for (int64_t rank = 0; rank < ranks; ++rank) step(all, input(rank), gradients);
  return taken(all);
}

TEST(Gradients, AreSumsWhoseBucketsTravelDuringTheWayBack) {
  constexpr int64_t kRanks = 2;
  const auto want = sums_of_single_processes(kRanks);
  test::run_ranks(kRanks, [&](Group& group) {
    const auto all = parameters();
    const Tensor x = input(group.rank());
    Gradients gradients(group, all, kBytes);
    for (int64_t i = 0; i < 3; ++i) {
      step(all, x, gradients);
      EXPECT_EQ(gradients.overlapped(), i * std::ssize(kUsed)) << "the first step learns the order";
      const auto got = taken(all);
      for (size_t p = 0; p < all.size(); ++p) {
        ASSERT_EQ(got[p].defined(), want[p].defined()) << p;
        if (!got[p].defined()) continue;
        EXPECT_TRUE(torch::allclose(got[p], want[p], 1e-5, 1e-6)) << p;
      }
    }
  });
}

TEST(Gradients, WithoutAWayBackThoseThatAreThereAreSummed) {
  test::run_ranks(2, [](Group& group) {
    const Tensor weight = torch::ones({4}).requires_grad_();
    Gradients gradients(group, {weight});
    (weight * static_cast<double>(1 + group.rank())).sum().backward();
    gradients.backward({}, {});
    EXPECT_TRUE(torch::equal(weight.grad(), torch::full({4}, 3.0)));
  });
}

// A step that leaves out what the first one used, and one that uses what the first left out.
TEST(Gradients, OfOtherParametersThanTheFirstStepsAreSummedToo) {
  test::run_ranks(2, [](Group& group) {
    const Tensor a = torch::ones({4}).requires_grad_(), b = torch::ones({4}).requires_grad_();
    Gradients gradients(group, {a, b});
    const auto back = [&](const Tensor& root) { gradients.backward({root.sum()}, {{}}); };
    back(a * 2);
    back(b * static_cast<double>(1 + group.rank()));
    EXPECT_TRUE(torch::equal(b.grad(), torch::full({4}, 3.0)));
    back(a * 1 + b * 1);
    EXPECT_TRUE(torch::equal(b.grad(), torch::full({4}, 3.0 * 2 + 2)));
  });
}

}  // namespace
}  // namespace vtr::dist
