#include "vtr/train/checkpoint.h"

#include "support/temp_dir.h"

#include "vtr/core/error.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace vtr::train {
namespace {

fs::path save(const fs::path& run, const torch::nn::Linear& net, int64_t step) {
  TrainState state;
  state.step = step;
  return save_checkpoint(run, *net, {{"mean.weight", torch::ones({2})}}, state);
}

TEST(Checkpoint, KeepsTheNewestAndTheBest) {
  const test::TempDir run;
  const torch::nn::Linear net(3, 2);
  for (int64_t step = 1; step <= 5; ++step) {
    const auto folder = save(run.path(), net, step);
    if (step == 2) mark_best(folder);
    prune_checkpoints(run.path(), 2);
  }
  EXPECT_EQ(latest_checkpoint(run.path())->state.step, 5);
  EXPECT_EQ(chosen_checkpoint(run.path()).state.step, 2);
  EXPECT_TRUE(fs::exists(run / "checkpoints/step_00000004"));
  EXPECT_FALSE(fs::exists(run / "checkpoints/step_00000003"));
}

TEST(Checkpoint, OneThatIsNotWholeDoesNotCount) {
  const test::TempDir run;
  const torch::nn::Linear net(3, 2);
  save(run.path(), net, 1);
  fs::remove(save(run.path(), net, 2) / "DONE");
  EXPECT_EQ(latest_checkpoint(run.path())->state.step, 1);
  EXPECT_THROW(open_checkpoint(run / "checkpoints/step_00000002"), Error);
  const test::TempDir empty;
  EXPECT_FALSE(latest_checkpoint(empty.path()));
  EXPECT_THROW(chosen_checkpoint(empty.path()), Error);
}

TEST(Checkpoint, GivesTheModelBackAndRefusesAnother) {
  const test::TempDir run;
  const torch::nn::Linear net(3, 2);
  const auto folder = save(run.path(), net, 1);
  torch::nn::Linear same(3, 2), other(4, 2);
  load_model(*same, folder);
  EXPECT_TRUE(torch::equal(same->weight, net->weight));
  EXPECT_THROW(load_model(*other, folder), Error);
}

}  // namespace
}  // namespace vtr::train
