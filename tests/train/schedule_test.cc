#include "vtr/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace vtr::train {
namespace {

Schedule make(const std::string& name, const std::string& options,
              const RunLength& run = {.steps = 100, .epoch = 20}) {
  return make_schedule({name, YAML::Load(options)}, run);
}

double half_cosine(double x) { return 0.5 * (1 + std::cos(std::numbers::pi * x)); }

TEST(Schedule, WarmsUpToOneAndFallsToNothing) {
  const auto cosine = make("cosine", "{warmup: 0.1}");
  EXPECT_DOUBLE_EQ(cosine(0), 0.1);
  EXPECT_DOUBLE_EQ(cosine(9), 1);
  EXPECT_DOUBLE_EQ(cosine(10), 1);  // it starts at its top, re-based
  EXPECT_NEAR(cosine(55), 0.5, 1e-12);
  EXPECT_NEAR(cosine(99), 0, 1e-3);
  EXPECT_DOUBLE_EQ(make("linear", "{warmup: 0.1}")(55), 0.5);
  EXPECT_DOUBLE_EQ(make("constant", "{warmup: 0.1}")(4), 0.5);
  EXPECT_DOUBLE_EQ(make("constant", "{warmup: 0.1}")(99), 1);
}

TEST(Schedule, OneStepWithoutAWarmUpIsTaken) {
  for (const auto& entry : schedules()) {
    if (entry.name == "clip4clip") continue;  // its first step is 0, as its authors'
    EXPECT_DOUBLE_EQ(entry.make({}, {.steps = 1, .epoch = 1})(0), 1) << entry.name;
  }
}

TEST(Schedule, Clip4clipsCosineIsCountedFromTheStart) {
  const auto schedule = make("clip4clip", "{warmup: 0.1}");
  EXPECT_EQ(schedule(0), 0);
  EXPECT_DOUBLE_EQ(schedule(9), 0.9);
  EXPECT_DOUBLE_EQ(schedule(10), half_cosine(0.1));  // it drops to 0.9755
  EXPECT_DOUBLE_EQ(schedule(75), half_cosine(0.75));
}

// STAN: from 0.05 over the whole run; Mug-STAN: then down and up again, half a swing in 4.5 epochs.
TEST(Schedule, RisesFromItsStartAndSwingsWithItsPeriod) {
  const auto rise = make("cosine", "{warmup: 1, start: 0.05}");
  EXPECT_DOUBLE_EQ(rise(0), 0.05);
  EXPECT_DOUBLE_EQ(rise(33), 0.05 + 0.95 * 33 / 99);
  EXPECT_DOUBLE_EQ(rise(99), 1);
  const auto swing = make("cosine", "{warmup: 0.1, start: 0.05, t_max: 4.5}",
                          {.steps = 2000, .epoch = 20});  // 100 epochs
  EXPECT_DOUBLE_EQ(swing(199), 1);
  EXPECT_NEAR(swing(200 + 90), 0, 1e-12);
  EXPECT_NEAR(swing(200 + 180), 1, 1e-12);
  EXPECT_NEAR(swing(200 + 45), 0.5, 1e-12);
}

TEST(Schedule, ExponentialFallsFromStretchToStretch) {
  const auto epochs = make("exponential", "{gamma: 0.5}");
  EXPECT_EQ(epochs(19), 1);
  EXPECT_EQ(epochs(20), 0.5);
  EXPECT_EQ(epochs(99), std::pow(0.5, 4));
  EXPECT_EQ(make("exponential", "{gamma: 0.5, every: 50}")(99), 0.5);
}

}  // namespace
}  // namespace vtr::train
