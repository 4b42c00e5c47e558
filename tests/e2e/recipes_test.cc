// Recipes and guards of training, through the program.
#include "support/program.h"

#include "vtr/core/files.h"
#include "vtr/models/weights/safetensors.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::test {
namespace {

class Recipe : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 24, 8);
  Outcome train(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {
        "train", "--config", config, "--run", (dir / "run").string(), "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }
  static void expect_said(const Outcome& outcome, int code, const std::string& message) {
    EXPECT_EQ(outcome.code, code) << outcome.output;
    EXPECT_NE(outcome.output.find(message), std::string::npos) << outcome.output;
  }
};

TEST_F(Recipe, AStepThatIsNotFiniteStopsTheRunOrIsSkippedInBounds) {
  const std::vector<std::string> wild = {"train.lr=1e30",           "train.encoder_lr=1e30",
                                         "train.schedule=constant", "train.max_steps=40",
                                         "train.schedule.warmup=0", "train.log_every=4"};
  expect_said(train(wild), 1, "step 2: the loss is ");
  EXPECT_NE(read_file(dir / "run/nonfinite.jsonl").find("\"videos\":\"video"), std::string::npos);
  EXPECT_NE(read_file(dir / "run/log.txt").find("error: step "), std::string::npos);
  EXPECT_FALSE(fs::exists(dir / "run/checkpoints"));
  auto skipping = wild;
  skipping.insert(skipping.end(), {"train.non_finite=skip", "train.max_skips=6"});
  expect_said(train(skipping), 1, "as for 6 steps before it (train.max_skips)");
  EXPECT_GE(count_lines(dir / "run/nonfinite.jsonl"), 7U);
}

// The first step makes the weights so large that all later ones are left out.
TEST_F(Recipe, AStepThatIsSkippedLeavesNoTraceInABatchNorm) {
  const auto outcome =
      train({"train.lr=1e30", "train.encoder_lr=1e30", "train.schedule={name: constant, warmup: 0}",
             "train.max_steps=4", "train.non_finite=skip", "model.head=mmt"});
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(count_lines(dir / "run/nonfinite.jsonl"), 3U);
  int64_t statistics = 0;
  for (const auto& [name, value] :
       models::load_safetensors(dir / "run/checkpoints/step_00000004/model.safetensors")) {
    if (name.find("running_") == std::string::npos) continue;
    ++statistics;
    EXPECT_TRUE(value.isfinite().all().item<bool>()) << name;
  }
  EXPECT_GT(statistics, 0);
}

TEST_F(Recipe, PatienceEndsARunThatGetsNoBetter) {
  const auto outcome = train({"train.max_steps=200", "data.val_fraction=0.2", "train.eval_every=1",
                              "train.patience=2", "train.deterministic=true"});
  expect_said(outcome, 0, "2 validations without a better one");
  EXPECT_LT(losses_of(dir / "run").size(), 200U);
}

TEST_F(Recipe, ChoosingOnTheTestSplitIsSaidInTrainingAndInResults) {
  expect_said(train({"train.max_steps=2", "train.select_on=test"}), 0,
              "warning: [train] train.select_on");
  EXPECT_EQ(count_lines(dir / "run/validation.jsonl"), 1U);
  expect_said(train({"train.max_steps=1", "train.select_on=test", "data.val_fraction=0.5"}), 0,
              "data.val_fraction=0.5 holds videos back that nothing uses");
  expect_said(run_program({"eval", "--run", (dir / "run").string()}), 0,
              "chosen on the test split");
}

TEST_F(Recipe, CutCaptionsAndDoubledVideosAreCounted) {
  const auto outcome = train({"train.max_steps=6", "text.max_words=5", "train.batch=20",
                              "train.loss.mask_duplicates=false"});
  expect_said(outcome, 0, "a caption is longer than text.max_words");
  expect_said(outcome, 0, "captions lost their tail");
  expect_said(outcome, 0, "train.loss.mask_duplicates=true leaves them out");
  expect_said(outcome, 0, "of 6 batches held a video twice");
}

TEST_F(Recipe, TheTemperatureStaysWithinItsBounds) {
  for (const std::string scale : {"2", "50"}) {  // from scratch it starts at 1 / 0.07
    ASSERT_EQ(train({"train.max_steps=2", "train.logit_scale_max=" + scale,
                     "train.logit_scale_min=" + scale})
                  .code,
              0);
    const std::string lines = read_file(dir / "run/metrics.jsonl");
    EXPECT_NE(lines.find("\"logit_scale\":" + scale + "."), std::string::npos) << lines;
  }
}

// What is drawn is a function of the seed: the start, the order, the frames, dropout.
TEST_F(Recipe, OneSeedGivesTheSameBitsAndAnotherDoesNot) {
  std::vector<std::vector<std::string>> losses;
  for (const std::string seed : {"3", "3", "4"}) {
    ASSERT_EQ(train({"train.max_steps=4", "train.seed=" + seed, "train.deterministic=true",
                     "video.train_sampling=random", "data.workers=" + seed})
                  .code,
              0);
    losses.push_back(losses_of(dir / "run"));
  }
  EXPECT_EQ(losses[0], losses[1]);
  EXPECT_NE(losses[0].front(), losses[2].front());
}

TEST_F(Recipe, AnIntervalsLineIsTheMeanOfItsSteps) {
  ASSERT_EQ(train({"train.max_steps=7"}).code, 0);
  double sum = 0;
  for (const auto& loss : losses_of(dir / "run")) sum += std::stod(loss);
  ASSERT_EQ(train({"train.max_steps=7", "train.log_every=100"}).code, 0);
  const auto lines = losses_of(dir / "run");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NEAR(7 * std::stod(lines[0]), sum, 1e-5);
  EXPECT_TRUE(fs::exists(dir / "run/events.out.tfevents.0000000000.vtr"));
}

}  // namespace
}  // namespace vtr::test
