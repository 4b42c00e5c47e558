#include "loss_scale.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::train {
namespace {

TrainState after(LossScale& scale, int64_t steps, bool overflow) {
  for (int64_t i = 0; i < steps; ++i) scale.update(torch::full({}, overflow ? 1.0F : 0.0F));
  TrainState state;
  scale.keep(state);
  return state;
}

TEST(LossScale, HalvesAtAnOverflowAndDoublesAfterCleanSteps) {
  LossScale scale(torch::kCPU, TrainState{});
  EXPECT_EQ(after(scale, 1, /*overflow=*/true).loss_scale, 32768);
  EXPECT_EQ(after(scale, LossScale::kCleanSteps - 1, false).loss_scale, 32768);
  EXPECT_EQ(after(scale, 1, false).loss_scale, 65536);
  after(scale, LossScale::kCleanSteps - 1, false);
  EXPECT_EQ(after(scale, 1, true).loss_scale, 32768) << "in the step in which it would double";
  EXPECT_EQ(after(scale, LossScale::kCleanSteps - 1, false).loss_scale, 32768)
      << "the count starts anew";
}

TEST(LossScale, NeverFallsBelowOne) {
  LossScale scale(torch::kCPU, TrainState{});
  EXPECT_EQ(after(scale, 40, true).loss_scale, 1);
}

TEST(LossScale, GoesOnFromAState) {
  LossScale scale(torch::kCPU, TrainState{});
  const TrainState state = after(scale, LossScale::kCleanSteps - 1, false);
  EXPECT_EQ(state.clean_steps, LossScale::kCleanSteps - 1);
  LossScale resumed(torch::kCPU, state);
  EXPECT_EQ(after(resumed, 1, false).loss_scale, 131072);
}

}  // namespace
}  // namespace vtr::train
