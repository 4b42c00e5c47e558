#include "vtr/train/options.h"

#include <gtest/gtest.h>

namespace vtr::train {
namespace {

TEST(Schedule, WarmsUpToOneAndFallsToNothing) {
  TrainOptions options;
  options.warmup = 0.1;
  EXPECT_DOUBLE_EQ(schedule_factor(options, 0, 100), 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 9, 100), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 10, 100), 1);  // the cosine starts at its top, re-based
  EXPECT_NEAR(schedule_factor(options, 55, 100), 0.5, 1e-12);
  EXPECT_NEAR(schedule_factor(options, 99, 100), 0, 1e-3);
  options.schedule = "linear";
  EXPECT_DOUBLE_EQ(schedule_factor(options, 55, 100), 0.5);
  options.schedule = "constant";
  EXPECT_DOUBLE_EQ(schedule_factor(options, 99, 100), 1);
  options.warmup = 0;
  EXPECT_DOUBLE_EQ(schedule_factor(options, 0, 1), 1);
}

}  // namespace
}  // namespace vtr::train
