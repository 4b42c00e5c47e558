// Runs that end before their time, and go on.
#include "support/program.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/core/random.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>

namespace vtr::test {
namespace {

class Resume : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 24, 8);
  std::string path(const std::string& name) const { return (dir / name).string(); }
  std::vector<std::string> train(const std::string& run, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"train", "--config", config, "--run", path(run)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // `whole`, a run of six steps, and `cut`, the same without the second of its two checkpoints.
  void train_and_cut(std::vector<std::string> settings) const {
    settings.insert(settings.end(), {"train.max_steps=6", "train.checkpoint_every=3"});
    ASSERT_EQ(run_program(train("whole", settings)).code, 0);
    const auto options = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
    fs::copy(dir / "whole", dir / "cut", options);
    ASSERT_EQ(fs::remove_all(dir / "cut/checkpoints/step_00000006"), 5U);
  }
  void expect_error(const std::vector<std::string>& arguments, const std::string& message) const {
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 1) << outcome.output;
    EXPECT_NE(outcome.output.find(message), std::string::npos) << outcome.output;
  }
};

// A checkpoint every step, so that most moments of a step are of one being written; every other
// kill comes at any time since the start. VTR_KILLS says how many there are.
TEST_F(Resume, KilledAtRandomMomentsEqualsUninterruptedToTheBit) {
  const char* wanted = std::getenv("VTR_KILLS");
  const int64_t kills = wanted != nullptr ? std::atol(wanted) : 4;
  const auto steps = std::to_string(kills * 30 + 4);
  const std::vector<std::string> settings = {
      "train.max_steps=" + steps, "train.checkpoint_every=1", "train.ema=0.9",
      "train.divergence=9",       "data.val_fraction=0.2",    "train.eval_every=3"};
  ASSERT_EQ(run_program(train("whole", settings)).code, 0);
  auto arguments = train("killed", settings);
  arguments.push_back("--resume");
  const fs::path metrics = dir / "killed/metrics.jsonl";
  int64_t while_saving = 0;
  Rng rng(derive(1, "kills"));
  for (int64_t i = 0; i < kills; ++i) {
    const bool from_start = i % 2 == 1;
    const std::chrono::microseconds delay(rng.below(from_start ? 800000 : 40000));
    const auto killed = signal_program(arguments, metrics,
                                       from_start ? 0 : count_lines(metrics) + 1, SIGKILL, delay);
    ASSERT_EQ(killed.code, 128 + SIGKILL) << killed.output;
    while_saving += fs::exists(dir / "killed/checkpoints/.writing") ? 1 : 0;
  }
  std::printf("killed %ld times, %ld of them while a checkpoint was written\n", kills,
              while_saving);
  bool kept = false;  // a kill may have come before there was a whole one
  for (const auto& entry : fs::directory_iterator(dir / "killed/checkpoints")) {
    const bool named = entry.path().filename().string().starts_with("step_");
    kept = kept || (named && fs::exists(entry.path() / "DONE"));
  }
  const auto resumed = run_program(arguments);
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_EQ(resumed.output.find("goes on from") != std::string::npos, kept) << resumed.output;
  EXPECT_EQ(losses_of(dir / "whole"), losses_of(dir / "killed"));
  EXPECT_EQ(read_file(dir / "whole/validation.jsonl"), read_file(dir / "killed/validation.jsonl"));
  const auto best = fs::path("checkpoints") / "best";
  EXPECT_EQ(fs::read_symlink(dir / "whole" / best), fs::read_symlink(dir / "killed" / best));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "whole/checkpoints"), {}),
            std::distance(fs::directory_iterator(dir / "killed/checkpoints"), {}));
  const auto last = fmt::format("checkpoints/step_{:0>8}", steps);
  for (const std::string name : {"model.safetensors", "optimizer.safetensors", "state.yaml"}) {
    EXPECT_EQ(read_file(dir / "whole" / last / name), read_file(dir / "killed" / last / name))
        << name;
  }
}

TEST_F(Resume, SignalsSaveAndExitWithTheirNumberAndTheRunGoesOn) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::string run = "run" + std::to_string(signal);
    const auto stopped = signal_program(train(run, {"train.max_steps=5000"}),
                                        dir / run / "metrics.jsonl", 3, signal);
    ASSERT_EQ(stopped.code, 128 + signal) << stopped.output;
    const auto done = losses_of(dir / run);
    const auto steps = std::to_string(done.size() + 2);
    const auto resumed =
        run_program({"train", "--run", path(run), "--resume", "train.max_steps=" + steps});
    ASSERT_EQ(resumed.code, 0) << resumed.output;
    EXPECT_EQ(losses_of(dir / run).size(), done.size() + 2);
  }
}

// As if it had been killed while it validated step 3, which has its checkpoint by then.
TEST_F(Resume, AValidationThatWasCutShortIsMadeUpFor) {
  train_and_cut({"train.eval_every=3", "data.val_fraction=0.2"});
  write_file(dir / "cut/validation.jsonl", "");
  fs::remove(dir / "cut/checkpoints/best");
  ASSERT_EQ(run_program({"train", "--run", path("cut"), "--resume"}).code, 0);
  EXPECT_EQ(read_file(dir / "cut/validation.jsonl"), read_file(dir / "whole/validation.jsonl"));
  EXPECT_EQ(count_lines(dir / "cut/validation.jsonl"), 2U);
  EXPECT_EQ(fs::read_symlink(dir / "cut/checkpoints/best"),
            fs::read_symlink(dir / "whole/checkpoints/best"));
}

// The best step's checkpoint is of no other weights than were validated: the average's.
TEST_F(Resume, TheBestCheckpointIsWhatWasValidated) {
  const std::vector<std::string> settings = {"train.max_steps=12",   "train.checkpoint_every=12",
                                             "train.eval_every=1",   "train.ema=0.9",
                                             "train.select_on=test", "train.keep=9"};
  ASSERT_EQ(run_program(train("run", settings)).code, 0);
  const fs::path best = fs::read_symlink(dir / "run/checkpoints/best");
  ASSERT_NE(best, "step_00000012") << "this one would be saved before it is validated";
  ASSERT_EQ(run_program({"eval", "--run", path("run"), "--json", path("best.json")}).code, 0);
  const auto row = nlohmann::json::parse(read_file(dir / "best.json"))[0];
  std::istringstream lines(read_file(dir / "run/validation.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto seen = nlohmann::json::parse(line);
    if (fmt::format("step_{:08}", seen["step"].get<int64_t>()) != best) continue;
    EXPECT_EQ(row["R@1"], seen["t2v R@1"]);
    EXPECT_EQ(row["MnR"], seen["t2v MnR"]);
    return;
  }
  ADD_FAILURE() << "the best step has no validation";
}

// The scale of fp16's loss and the steps since it last changed are part of a checkpoint.
TEST_F(Resume, HalfPrecisionGoesOnWithItsScale) {
  train_and_cut({"train.precision=fp16"});
  ASSERT_EQ(run_program({"train", "--run", path("cut"), "--resume"}).code, 0);
  EXPECT_EQ(losses_of(dir / "cut"), losses_of(dir / "whole"));
  const std::string state = read_file(dir / "whole/checkpoints/step_00000006/state.yaml");
  EXPECT_EQ(read_file(dir / "cut/checkpoints/step_00000006/state.yaml"), state);
  EXPECT_EQ(state.find("clean_steps: 0"), std::string::npos) << state;
}

TEST_F(Resume, ADiskThatFillsUpLeavesTheLastCheckpoint) {
  ASSERT_EQ(run_program(train("run", {"train.max_steps=4"})).code, 0);
  const fs::path kept = dir / "run/checkpoints/step_00000004";
  const auto size = fs::file_size(kept / "model.safetensors");
  const auto failed =
      run_program({"train", "--run", path("run"), "--resume", "train.max_steps=8"}, size / 2);
  EXPECT_EQ(failed.code, 1) << failed.output;
  EXPECT_NE(failed.output.find("vtr: the checkpoint of step"), std::string::npos) << failed.output;
  EXPECT_NE(failed.output.find("kept: " + kept.string()), std::string::npos) << failed.output;
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "run/checkpoints"), {}), 1);
  EXPECT_EQ(run_program({"eval", "--run", path("run")}).code, 0);
  const auto resumed =
      run_program({"train", "--run", path("run"), "--resume", "train.max_steps=8"});
  EXPECT_EQ(resumed.code, 0) << resumed.output;
}

TEST_F(Resume, ADamagedCheckpointIsNamed) {
  ASSERT_EQ(run_program(train("run", {"train.max_steps=2"})).code, 0);
  const fs::path file = dir / "run/checkpoints/step_00000002/model.safetensors";
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(fs::file_size(file) / 2));
  stream.put('?').put('!').flush();
  expect_error({"train", "--run", path("run"), "--resume"}, file.string() + ": damaged");
  expect_error({"eval", "--run", path("run")}, file.string() + ": damaged");
}

TEST_F(Resume, AFolderThatAnotherProcessHoldsIsLeftAlone) {
  fs::create_directories(dir / "run");
  const FolderLock lock(dir / "run");
  expect_error(train("run", {"train.max_steps=1"}), path("run") + ": another process");
  EXPECT_TRUE(fs::is_empty(dir / "run"));
}

// Whichever is first trains; the other changes nothing of it.
TEST_F(Resume, TwoStartsAtOnceAreOneRun) {
  const auto start = [&](const std::string& seed) {
    return std::async(std::launch::async, [this, seed] {
      return run_program(train("run", {"train.max_steps=20", "train.seed=" + seed}));
    });
  };
  auto one = start("1"), two = start("2");
  const Outcome outcomes[] = {one.get(), two.get()};
  const size_t winner = outcomes[0].code == 0 ? 0 : 1;
  EXPECT_EQ(outcomes[winner].code, 0) << outcomes[winner].output;
  EXPECT_EQ(outcomes[1 - winner].code, 1);
  EXPECT_NE(outcomes[1 - winner].output.find(path("run") + ": "), std::string::npos)
      << outcomes[1 - winner].output;
  EXPECT_EQ(losses_of(dir / "run").size(), 20U);
  EXPECT_NE(read_file(dir / "run/config.yaml").find(fmt::format("seed: {}", winner + 1)),
            std::string::npos);
}

TEST_F(Resume, OverwriteStartsAnew) {
  ASSERT_EQ(run_program(train("run", {"train.max_steps=3"})).code, 0);
  ASSERT_EQ(run_program(train("run", {"train.max_steps=1", "--overwrite"})).code, 0);
  EXPECT_EQ(losses_of(dir / "run").size(), 1U);
  EXPECT_FALSE(fs::exists(dir / "run/checkpoints/step_00000003"));
}

// At a rate of 0 the weights stay what they were.
TEST_F(Resume, StartsFromTheWeightsOfAnotherRun) {
  ASSERT_EQ(run_program(train("first", {"train.max_steps=2"})).code, 0);
  const std::vector<std::string> more = {"--init-from", path("first"), "train.lr=0",
                                         "train.encoder_lr=0", "train.max_steps=1"};
  ASSERT_EQ(run_program(train("second", more)).code, 0);
  EXPECT_EQ(read_file(dir / "first/checkpoints/step_00000002/model.safetensors"),
            read_file(dir / "second/checkpoints/step_00000001/model.safetensors"));
  auto arguments = train("third", more);
  arguments.push_back("model.head.name=wti");
  const auto other = run_program(arguments);
  EXPECT_EQ(other.code, 0) << other.output;
  EXPECT_NE(other.output.find("not found there"), std::string::npos) << other.output;
  expect_error(train("fourth", {"--init-from", path("nothing")}), "nothing: no such run, checkpoint or file");
}

TEST_F(Resume, WithoutACheckpointItStartsFromTheSameWeightsAgain) {
  ASSERT_EQ(run_program(train("first", {"train.max_steps=2"})).code, 0);
  const std::vector<std::string> from = {"--init-from", fs::relative(dir / "first").string(),
                                         "train.max_steps=2"};
  ASSERT_EQ(run_program(train("whole", from)).code, 0);
  dir.write("cut/config.yaml", read_file(dir / "whole/config.yaml"));  // what a kill leaves
  ASSERT_EQ(run_program({"train", "--run", path("cut"), "--resume"}).code, 0);
  EXPECT_EQ(losses_of(dir / "cut"), losses_of(dir / "whole"));
}

TEST_F(Resume, TheTokenizersFileIsFoundFromAnyFolder) {
  const auto own =
      dir.write("own.model", read_file(find_shipped("configs", "shapes/pieces.model")));
  ASSERT_EQ(run_program(train("run", {"text.tokenizer.model=" + fs::relative(own).string(),
                                      "train.max_steps=1"}))
                .code,
            0);
  EXPECT_NE(read_file(dir / "run/config.yaml").find("model: /"), std::string::npos);
}

TEST_F(Resume, NeedsARunToGoOnWith) {
  expect_error({"train", "--resume"}, "--resume: of which run?");
  expect_error({"train", "--resume", "--run", path("none")}, "none: no run to go on with");
  const std::string theirs = "mine: 1\n";
  dir.write("theirs/config.yaml", theirs);
  auto arguments = train("theirs", {"train.max_steps=1"});
  arguments.push_back("--resume");
  expect_error(arguments, "theirs: is no run to go on with: config.yaml: mine: no such option");
  EXPECT_EQ(read_file(dir / "theirs/config.yaml"), theirs);
}

}  // namespace
}  // namespace vtr::test
