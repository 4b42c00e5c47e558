#include "vtr/train/checkpoint.h"

#include "saver.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

namespace vtr::train {
namespace {

using test::expect_error;

Snapshot snapshot_of(const torch::nn::Linear& net, int64_t step) {
  Snapshot snapshot{module_tensors(*net), {{"mean.weight", torch::ones({2})}}, {}};
  snapshot.state.step = step;
  return snapshot;
}

fs::path save(const fs::path& run, const torch::nn::Linear& net, int64_t step) {
  return save_checkpoint(run, snapshot_of(net, step));
}

TEST(Checkpoint, KeepsTheNewestAndTheBest) {
  const test::TempDir run;
  const torch::nn::Linear net(3, 2);
  Saver saver(run.path(), 2);
  for (int64_t step = 1; step <= 5; ++step) {
    saver.save(snapshot_of(net, step));
    if (step == 2) saver.mark(step);
  }
  saver.wait();
  EXPECT_EQ(latest_checkpoint(run.path())->state.step, 5);
  EXPECT_EQ(chosen_checkpoint(run.path()).state.step, 2);
  EXPECT_TRUE(fs::exists(run / "checkpoints/step_00000004"));
  EXPECT_FALSE(fs::exists(run / "checkpoints/step_00000003"));
}

TEST(Checkpoint, WhatAKillLeavesOfARemovalGoesWithTheNextOne) {
  const test::TempDir run;
  const torch::nn::Linear net(3, 2);
  fs::remove(save(run.path(), net, 1) / "DONE");
  save(run.path(), net, 2);
  prune_checkpoints(run.path(), 2);
  EXPECT_FALSE(fs::exists(run / "checkpoints/step_00000001"));
  EXPECT_EQ(latest_checkpoint(run.path())->state.step, 2);
}

TEST(Checkpoint, OnlyOneThatIsThereBecomesTheBest) {
  const test::TempDir run;
  save(run.path(), torch::nn::Linear(3, 2), 1);
  mark_best(run.path(), 0);
  mark_best(run.path(), 9);
  EXPECT_FALSE(fs::is_symlink(run / "checkpoints/best"));
  mark_best(run.path(), 1);
  EXPECT_EQ(fs::read_symlink(run / "checkpoints/best"), "step_00000001");
}

TEST(Checkpoint, IsOfTheMomentWhateverIsTrainedMeanwhile) {
  const test::TempDir run;
  torch::nn::Linear net(300, 200);
  const Tensor then = net->weight.detach().clone();
  Saver saver(run.path(), 1);
  saver.save(snapshot_of(net, 1));
  torch::nn::init::zeros_(net->weight);
  saver.wait();
  load_model(*net, run / "checkpoints/step_00000001");
  EXPECT_TRUE(torch::equal(net->weight, then));
}

TEST(Checkpoint, AFailureOfTheWriterIsThrownLater) {
  const test::TempDir run;
  run.write("checkpoints", "a file where the folder should be");
  Saver saver(run.path(), 1);
  saver.save(snapshot_of(torch::nn::Linear(3, 2), 7));
  expect_error([&] { saver.wait(); }, "the checkpoint of step 7 could not be written");
  saver.check();  // it is thrown once
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

void flip_byte(const fs::path& file, uintmax_t at) {
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekg(static_cast<std::streamoff>(at));
  const auto flipped = static_cast<char>(stream.get() ^ 1);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(flipped);
}

TEST(Checkpoint, AFlippedByteIsFoundInEveryFileOfIt) {
  const torch::nn::Linear net(3, 2);
  torch::nn::Linear other(3, 2);
  for (const std::string name : {"model.safetensors", "optimizer.safetensors", "state.yaml"}) {
    const test::TempDir run;
    const fs::path folder = save(run.path(), net, 1);
    flip_byte(folder / name, fs::file_size(folder / name) - 2);
    expect_error(
        [&] {
          open_checkpoint(folder);
          load_model(*other, folder);
          load_optimizer(folder);
        },
        (folder / name).string() + ": damaged");
  }
}

TEST(Checkpoint, GivesTheModelBackAndNamesWhatDoesNotFitAnother) {
  const test::TempDir run;
  const torch::nn::Linear net(3, 2);
  const auto folder = save(run.path(), net, 1);
  torch::nn::Linear same(3, 2), other(4, 2);
  load_model(*same, folder);
  EXPECT_TRUE(torch::equal(same->weight, net->weight));
  expect_error([&] { load_model(*other, folder); }, "weight [2, 3]");
}

// A model of encoders and a head, of that many outputs.
struct Model : torch::nn::Module {
  explicit Model(int64_t out) : head(3, out) {
    register_module("clip", clip);
    register_module("head", head);
  }
  torch::nn::Linear clip{3, 3}, head;
};

TEST(InitFrom, TakesTheWeightsOfARunACheckpointOrAFile) {
  const test::TempDir run;
  const Model model(2);
  const auto folder = save_checkpoint(run.path(), {module_tensors(model), {}, {}});
  for (const fs::path& path : {run.path(), folder, folder / "model.safetensors"}) {
    Model fresh(2);
    EXPECT_TRUE(init_from(fresh, path).empty());
    EXPECT_TRUE(torch::equal(fresh.clip->weight, model.clip->weight)) << path;
    EXPECT_TRUE(torch::equal(fresh.head->bias, model.head->bias)) << path;
  }
  const fs::path file = folder / "model.safetensors";
  flip_byte(file, fs::file_size(file) - 2);
  Model fresh(2);
  expect_error([&] { init_from(fresh, file); }, file.string() + ": damaged");
}

TEST(InitFrom, SaysWhatAnotherHeadDoesNotFindAndRefusesOtherEncoders) {
  const test::TempDir run;
  const Model model(2);
  save_checkpoint(run.path(), {module_tensors(model), {}, {}});
  Model other(5);
  EXPECT_EQ(init_from(other, run.path()), (std::vector<std::string>{"head.weight", "head.bias"}));
  EXPECT_TRUE(torch::equal(other.clip->weight, model.clip->weight));
  Model deeper(2);
  deeper.clip->register_module("more", torch::nn::Linear(1, 1));
  expect_error([&] { init_from(deeper, run.path()); }, "clip.more.weight");
  expect_error([&] { init_from(other, run / "nothing"); }, "neither a run's folder");
}

}  // namespace
}  // namespace vtr::train
