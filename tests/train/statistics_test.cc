#include "statistics.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

namespace vtr::train {
namespace {

TEST(Statistics, OfAStepThatIsLeftOutAreAsBefore) {
  torch::nn::BatchNorm1d norm(2);
  Statistics statistics(*norm);
  const auto step = [&](double value, double skipped) {
    statistics.keep();
    norm->forward(at::full({3, 2}, value));
    statistics.put_back(at::full({}, skipped));
  };
  step(1, 0);
  const Tensor mean = norm->running_mean.clone(), var = norm->running_var.clone();
  EXPECT_TRUE(at::allclose(mean, at::full({2}, 0.1)));
  step(NAN, 1);
  EXPECT_TRUE(torch::equal(norm->running_mean, mean));
  EXPECT_TRUE(torch::equal(norm->running_var, var));
  EXPECT_EQ(norm->num_batches_tracked.item<int64_t>(), 1);
}

}  // namespace
}  // namespace vtr::train
