// Sweeps: finished cells kept, killed ones gone on with, failed ones named.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <iterator>
#include <regex>
#include <thread>

namespace vtr::test {
namespace {

using Json = nlohmann::json;

class Sweep : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 12, 4);
  std::string out = (dir / "out").string();

  // Frozen and encoded once; `more` goes into the sweep's file, which ends the map.
  std::string file(const std::string& more) const {
    const std::string frozen =
        "train.freeze: [clip.visual.*], train.encode_once: true, train.max_steps: 2";
    return dir
        .write("sweep.yaml", "config: " + config + "\noptions: {" + frozen + "}\n" + more + "\n")
        .string();
  }
  std::vector<std::string> command(const std::string& sweep,
                                   std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"sweep", "--config", sweep, "--out", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Json results() const { return Json::parse(read_file(dir / "out/results.json")); }
  std::vector<fs::file_time_type> times(const std::vector<std::string>& files) const {
    std::vector<fs::file_time_type> result;
    for (const auto& name : files) result.push_back(fs::last_write_time(dir / name));
    return result;
  }
};

const std::string kTwoHeads = "grid: {model.head.name: [mean_pool, topk]}\nseeds: [1, 2]";

TEST_F(Sweep, RunsEveryCellFromSharedFeaturesAndKeepsWhatIsFinished) {
  const auto sweep = file(kTwoHeads +
                          "\nevaluate: [ordered, mixed]\njobs: 2\nplot: {x: "
                          "model.head.name}");
  const auto first = run_program(command(sweep));
  ASSERT_EQ(first.code, 0) << first.output;
  EXPECT_NE(first.output.find("4 cells, at most 8 steps in all"), std::string::npos)
      << first.output;
  ASSERT_EQ(results().size(), 4U);
  for (const auto& cell : results()) {
    const fs::path run = dir / "out" / cell["run"].get<std::string>();
    EXPECT_TRUE(fs::exists(run / "checkpoints/step_00000002")) << run;
    EXPECT_NE(read_file(run / "config.yaml").find("features: " + out), std::string::npos) << run;
    for (const auto* split : {"ordered", "mixed"}) {
      for (const auto* direction : {"t2v", "v2t"}) {
        EXPECT_GE(cell["metrics"][split][direction]["MnR"], 1);
      }
    }
  }
  EXPECT_NE(first.output.find(" ± "), std::string::npos) << first.output;
  for (const auto* name : {"results.csv", "results.md", "results.tex", "plots/mixed_R@1.svg"}) {
    EXPECT_TRUE(fs::exists(dir / "out" / name)) << name;
  }
  const std::vector<std::string> rows = {"out/topk/seed1.json", "out/topk/seed2.json",
                                         "out/mean_pool/seed1.json", "out/mean_pool/seed2.json"};
  const auto before = times(rows);
  const auto again = run_program(command(sweep));
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_NE(again.output.find("4 cells, 4 of them finished"), std::string::npos) << again.output;
  EXPECT_EQ(times(rows), before);
}

// While a cell starts, trains, and when one has finished, which is not done again.
TEST_F(Sweep, KilledAtAnyStageItEndsWithTheResultsOfAnUninterruptedOne) {
  const auto sweep = file(kTwoHeads);
  auto whole = command(sweep);
  whole.back() = (dir / "whole").string();
  ASSERT_EQ(run_program(whole).code, 0);
  const fs::path rows = dir / "out/topk/seed1.json";
  for (const auto* log :
       {"out/mean_pool/seed1.log", "out/mean_pool/seed2/metrics.jsonl", "out/topk/seed1.json"}) {
    const auto killed = signal_program(command(sweep), dir / log, 1, SIGKILL);
    ASSERT_EQ(killed.code, 128 + SIGKILL) << killed.output;
  }
  const auto finished = fs::last_write_time(rows);
  const auto ended = run_program(command(sweep));
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_EQ(fs::last_write_time(rows), finished);
  EXPECT_EQ(results(), Json::parse(read_file(dir / "whole/results.json")));
}

TEST_F(Sweep, StopsCleanlyOnSignalsAndGoesOn) {
  const auto sweep = file(kTwoHeads);
  const fs::path metrics = dir / "out/mean_pool/seed1/metrics.jsonl";
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::string workers = signal == SIGTERM ? "1" : "2";  // a cell goes on with others
    const auto stopped =
        signal_program(command(sweep, {"train.max_steps=100000", "data.workers=" + workers}),
                       metrics, count_lines(metrics) + 3, signal);
    EXPECT_EQ(stopped.code, 128 + signal) << stopped.output;
    EXPECT_NE(stopped.output.find("the same command goes on"), std::string::npos);
    const FolderLock free(dir / "out/mean_pool/seed1");  // the child has ended too
    EXPECT_NE(read_file(dir / "out/mean_pool/seed1.log").find("stopped and saved"),
              std::string::npos);
  }
}

TEST_F(Sweep, ItsProcessesEndWithIt) {
  const auto killed = signal_program(command(file(kTwoHeads), {"train.max_steps=100000"}),
                                     dir / "out/mean_pool/seed1/metrics.jsonl", 3, SIGKILL);
  ASSERT_EQ(killed.code, 128 + SIGKILL);
  for (int tries = 0; tries < 500; ++tries) {
    try {
      const FolderLock free(dir / "out/mean_pool/seed1");
      return;
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ADD_FAILURE() << "its training still holds the run's folder";
}

TEST_F(Sweep, ASecondOneInTheSameFolderIsTold) {
  fs::create_directories(out);
  const FolderLock lock(out);
  const auto second = run_program(command(file(kTwoHeads)));
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.output.find(out + ": another process is at work"), std::string::npos)
      << second.output;
  EXPECT_TRUE(fs::is_empty(out));
}

// A rate that makes the weights infinite.
TEST_F(Sweep, WhatFailsIsTriedAgainNamedAndDoesNotStopTheOthers) {
  const auto sweep = file(
      "list: [{name: odd, train.lr: 1.0e+38}, {name: even}]\nseeds: [1]\n"
      "features: own");
  const auto failed = run_program(command(sweep));
  EXPECT_EQ(failed.code, 1) << failed.output;
  EXPECT_NE(failed.output.find("it is tried again"), std::string::npos) << failed.output;
  EXPECT_NE(failed.output.find("failed: odd/seed1: "), std::string::npos) << failed.output;
  ASSERT_EQ(results().size(), 2U);
  EXPECT_TRUE(results()[0].contains("error"));
  EXPECT_TRUE(results()[1].contains("metrics"));
}

TEST_F(Sweep, ACellBegunWithOtherOptionsIsRefusedOrDoneAnewByName) {
  const auto sweep = file("list: [{name: a}]\nseeds: [1]");
  ASSERT_EQ(run_program(command(sweep)).code, 0);
  const auto other = run_program(command(sweep, {"train.lr=1.0e-5"}));
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.output.find("train.lr (0.002, 1e-05)"), std::string::npos) << other.output;
  dir.write("skip.txt", "video1\n");
  const auto fewer = run_program(command(sweep, {"data.skip_list=" + (dir / "skip.txt").string()}));
  EXPECT_EQ(fewer.code, 1) << "other videos";
  EXPECT_NE(fewer.output.find("data.skip_list"), std::string::npos) << fewer.output;
  const auto anew = run_program(command(sweep, {"--rerun", "a", "train.lr=1.0e-5"}));
  EXPECT_EQ(anew.code, 0) << anew.output;
  EXPECT_NE(read_file(dir / "out/a/seed1/config.yaml").find("lr: 1e-05"), std::string::npos);
  const auto unknown = run_program(command(sweep, {"--rerun", "b", "train.lr=1.0e-5"}));
  EXPECT_NE(unknown.output.find("--rerun b: the sweep has no such cell"), std::string::npos);
}

TEST_F(Sweep, FinishedCellsOfOtherSeedsStayInTheTable) {
  const auto sweep = file("list: [{name: a}]\nseeds: [1]");
  ASSERT_EQ(run_program(command(sweep)).code, 0);
  const auto first = fs::last_write_time(dir / "out/a/seed1.json");
  const auto second = run_program(command(sweep, {"--seed", "2"}));
  ASSERT_EQ(second.code, 0) << second.output;
  ASSERT_EQ(results().size(), 2U);
  EXPECT_EQ(results()[0]["run"], "a/seed2");
  EXPECT_EQ(results()[1]["run"], "a/seed1");
  EXPECT_EQ(fs::last_write_time(dir / "out/a/seed1.json"), first);
  for (const auto* said : {" ± ", "1 cells that are finished with seed 1 stay in the table"}) {
    EXPECT_NE(second.output.find(said), std::string::npos) << second.output;
  }
  const auto third = run_program(command(sweep, {"--seed", "3", "train.lr=1.0e-5"}));
  ASSERT_EQ(third.code, 0) << third.output;
  EXPECT_EQ(results().size(), 1U) << "the others were trained at another rate";
  EXPECT_NE(third.output.find("2 finished cells of other seeds are not in the table: a/seed1: "
                              "train.lr (0.002, 1e-05)"),
            std::string::npos)
      << third.output;
}

TEST_F(Sweep, ItsStepsAreThoseThatItsCellsTrain) {
  const auto outcome = run_program(
      command(file("list: [{name: a}]\nseeds: [1]"), {"train.max_steps=0", "train.epochs=2"}));
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  const std::string log = read_file(dir / "out/a/seed1/log.txt");
  std::smatch steps;
  ASSERT_TRUE(std::regex_search(log, steps, std::regex("(\\d+ steps), \\d+ an epoch"))) << log;
  EXPECT_NE(outcome.output.find("at most " + steps[1].str()), std::string::npos) << outcome.output;
}

// Whichever videos a seed holds back to validate.
TEST_F(Sweep, ADryRunTellsTheCellsAndTrainsNone) {
  const auto outcome = run_program(command(file(kTwoHeads), {"--dry-run", "train.max_steps=3"}));
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("3 steps  mean_pool/seed1"), std::string::npos) << outcome.output;
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(Sweep, FramesArePackedOnceForAll) {
  const auto sweep = file(
      "list: [{name: a}]\nframes: packed\nfeatures: own\n"
      "evaluate: [single, events]");
  for (const std::string seed : {"1", "2"}) {
    const auto outcome = run_program(command(sweep, {"--seed", seed, "data.val_fraction=0.25"}));
    ASSERT_EQ(outcome.code, 0) << outcome.output;
    const std::string run = read_file(dir / ("out/a/seed" + seed + "/config.yaml"));
    EXPECT_NE(run.find("store: " + out), std::string::npos) << run;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "out/frames"), {}), 3)
      << "a store, what it was made as, and its log";
}

TEST_F(Sweep, AFolderOfSomethingElseStaysAsItIs) {
  dir.write("out/config.yaml", "device: cpu\n");
  const auto refused = run_program(command(file(kTwoHeads)));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.output.find(out + ": holds something else (config.yaml)"), std::string::npos)
      << refused.output;
  EXPECT_EQ(std::distance(fs::directory_iterator(out), {}), 1);
}

TEST_F(Sweep, NothingIsStartedWhereSomethingIsWrong) {
  const auto refused = [&](const std::string& sweep, const std::vector<std::string>& more,
                           const std::string& part) {
    const auto outcome = run_program(command(file(sweep), more));
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
    EXPECT_FALSE(fs::exists(out));
  };
  refused("grid: {model.head.topkk: [1]}", {}, "model.head.topkk: no such option");
  refused("grid: {}", {}, "grid: {option: [values]} is needed");
  refused(kTwoHeads, {"data.root=nowhere"}, "cell mean_pool: data.root: nowhere: no such folder");
  refused(kTwoHeads + "\nevaluate: [nothing]", {}, "nothing");
  refused(kTwoHeads, {"data.test=nothing"}, "nothing");
  refused(kTwoHeads, {"--rerun", "x"}, "--rerun x: the sweep has no such cell");
  // Of one cell alone, which is not the first.
  refused("list: [{name: a}, {name: b, text.max_words: 77}]", {},
          "cell b: text.max_words: 77 is more than the 24 tokens");
  refused("grid: {model.head.name: [topk], model.head.topk: [1, 99]}", {},
          "cell topk,topk=99: model.head.topk: 99 is more than the 4 frames");
  refused("list: [{name: a}, {name: b, data.store: nowhere}]", {}, "cell b: ");
  refused("list: [{name: a}, {name: b, device: gpu}]", {}, "cell b: device: 'gpu' is not one of");
  refused("list: [{name: a}, {name: b, train.freeze: [clap.*]}]", {},
          "cell b: train.freeze: no parameter matches 'clap.*'");
  refused("list: [{name: a}, {name: b, train.rates: [clap.*=2]}]", {},
          "cell b: train.rates: no parameter matches 'clap.*'");
  EXPECT_EQ(run_program({"sweep"}).code, 1);
}

// Sizes that the weights tell: the default configuration would fit.
TEST_F(Sweep, ACellThatItsWeightsDoNotFitIsNamed) {
  const std::string weights = (dir / "clip.pt").string();
  ASSERT_EQ(run_program({"export", "--config", config, "--out", weights}).code, 0);
  const auto refused =
      run_program(command(file("list: [{name: a}, {name: b, model.encoder: {name: centerclip}}]"),
                          {"model.weights=" + weights}));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.output.find("cell b: model.encoder.clusters: '6:6x49': blocks ascend"),
            std::string::npos)
      << refused.output;
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace vtr::test
