// The program as several processes of one job.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <csignal>

namespace vtr::test {
namespace {

class Ranks : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 24, 8);
  std::vector<std::string> train(const std::string& run, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "train",        "--config",           config,
        "--run",        (dir / run).string(), "train.dist_timeout=60",
        "train.keep=9", "data.workers=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::vector<double> losses(const std::string& run) const {
    std::vector<double> result;
    for (const auto& loss : losses_of(dir / run)) result.push_back(std::stod(loss));
    return result;
  }
};

void expect_all(const std::vector<Outcome>& outcomes, int code) {
  for (size_t rank = 0; rank < outcomes.size(); ++rank) {
    EXPECT_EQ(outcomes[rank].code, code) << "rank " << rank << ": " << outcomes[rank].output;
  }
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], bound * want[i]) << "step " << i + 1;
  }
}

// 1e-5 relative after 30 updates: sums over ranks in another order than over a batch.
TEST_F(Ranks, OneTwoAndFourProcessesHaveOneLossCurve) {
  const std::vector<std::string> settings = {"train.max_steps=30", "model.head.dropout=0"};
  ASSERT_EQ(run_program(train("one", settings)).code, 0);
  const auto want = losses("one");
  ASSERT_EQ(want.size(), 30U);
  for (const int64_t ranks : {2, 4}) {
    const std::string name = std::to_string(ranks);
    expect_all(run_ranks(ranks, train(name, settings)), 0);
    expect_near(losses(name), want, 1e-5);
  }
  auto cut = settings;
  cut.insert(cut.end(), {"train.micro_batch=2", "train.checkpoint_activations=blocks"});
  expect_all(run_ranks(2, train("cut", cut)), 0);
  expect_near(losses("cut"), want, 1e-5);
}

TEST_F(Ranks, SrunsVariablesMakeAJob) {
  const std::vector<std::string> settings = {"train.max_steps=4", "model.head.dropout=0"};
  ASSERT_EQ(run_program(train("one", settings)).code, 0);
  expect_all(run_ranks(2, train("two", settings), {}, by_srun), 0);
  expect_near(losses("two"), losses("one"), 1e-5);
}

// torchrun holds the store that its processes meet at.
TEST_F(Ranks, TorchrunsVariablesAndStoreMakeAJob) {
  c10::intrusive_ptr<c10d::TCPStore> store;
  const auto by_torchrun = [&](int64_t rank, int64_t ranks, int64_t port) {
    if (!store) {
      c10d::TCPStoreOptions options;
      options.port = static_cast<uint16_t>(port);
      options.isServer = true;
      options.waitWorkers = false;
      store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    }
    auto variables = by_hand(rank, ranks, port);
    variables.emplace_back("LOCAL_RANK", std::to_string(rank));
    variables.emplace_back("LOCAL_WORLD_SIZE", std::to_string(ranks));
    variables.emplace_back("TORCHELASTIC_RESTART_COUNT", "0");
    variables.emplace_back("TORCHELASTIC_USE_AGENT_STORE", "True");
    return variables;
  };
  const std::vector<std::string> settings = {"train.max_steps=4", "model.head.dropout=0"};
  ASSERT_EQ(run_program(train("one", settings)).code, 0);
  expect_all(run_ranks(2, train("two", settings), {}, by_torchrun), 0);
  expect_near(losses("two"), losses("one"), 1e-5);
}

TEST_F(Ranks, APlaceToMeetThatIsNotThereIsNamed) {
  const auto astray = [](int64_t rank, int64_t ranks, int64_t port) {
    auto variables = by_hand(rank, ranks, port);
    variables[2].second = "no.such.host";
    return variables;
  };
  const auto outcomes = run_ranks(2, train("run", {"train.dist_timeout=2"}), {}, astray);
  expect_all(outcomes, 1);
  for (const auto& outcome : outcomes) {
    EXPECT_NE(outcome.output.find("no.such.host"), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find("MASTER_ADDR"), std::string::npos) << outcome.output;
  }
}

TEST_F(Ranks, ResumedByOtherNumbersOfProcessesIsOneCurve) {
  // Rates that do not depend on how many steps there will be.
  const std::vector<std::string> settings = {"model.head.dropout=0",
                                             "train.schedule={name: constant, warmup: 0}"};
  const auto until = [&](const std::string& run, int64_t steps) {
    auto arguments = settings;
    arguments.push_back("train.max_steps=" + std::to_string(steps));
    if (run != "one") arguments.push_back("--resume");
    return train(run, arguments);
  };
  ASSERT_EQ(run_program(until("one", 18)).code, 0);
  expect_all(run_ranks(2, until("run", 6)), 0);
  fs::copy(dir / "run", dir / "by_one",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  ASSERT_EQ(run_program(until("by_one", 18)).code, 0);
  expect_near(losses("by_one"), losses("one"), 1e-5);
  expect_all(run_ranks(4, until("run", 12)), 0);
  ASSERT_EQ(run_program(until("run", 18)).code, 0);
  expect_near(losses("run"), losses("one"), 1e-5);
}

// Each rank encodes and scores its part of the validation split, whose videos are batches of one.
TEST_F(Ranks, ValidationIsThatOfOneProcess) {
  const std::vector<std::string> settings = {"train.max_steps=6", "train.eval_every=3",
                                             "model.head.dropout=0", "data.val_fraction=0.4",
                                             "eval.batch=1"};
  ASSERT_EQ(run_program(train("one", settings)).code, 0);
  expect_all(run_ranks(2, train("two", settings)), 0);
  EXPECT_EQ(read_file(dir / "one/validation.jsonl"), read_file(dir / "two/validation.jsonl"));
  EXPECT_EQ(fs::read_symlink(dir / "one/checkpoints/best"),
            fs::read_symlink(dir / "two/checkpoints/best"));
}

TEST_F(Ranks, EvaluationIsThatOfOneProcess) {
  ASSERT_EQ(run_program(train("run", {"train.max_steps=6"})).code, 0);
  const auto eval = [&](const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"eval",         "--run", (dir / "run").string(),
                                          "eval.batch=1", "--out", (dir / out).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  ASSERT_EQ(run_program(eval("one")).code, 0);
  const auto outcomes = run_ranks(2, eval("two"));
  expect_all(outcomes, 0);
  EXPECT_NE(outcomes[0].output.find("R@1"), std::string::npos) << outcomes[0].output;
  EXPECT_EQ(outcomes[1].output, "") << "the first one tells";
  EXPECT_EQ(read_file(dir / "one/ordered/queries.csv"), read_file(dir / "two/ordered/queries.csv"));

  const auto refused = run_ranks(2, eval("three", {"eval.rerank=dsl"}));
  expect_all(refused, 1);
  EXPECT_NE(refused[0].output.find("eval.rerank: of one process, here there are 2"),
            std::string::npos)
      << refused[0].output;
}

TEST_F(Ranks, OneKilledEndsAllWithItsNameAndAnyNumberResumes) {
  const std::vector<std::string> settings = {"train.max_steps=5000", "train.checkpoint_every=4"};
  const auto struck =
      run_ranks(4, train("run", settings), Strike{2, SIGKILL, dir / "run/metrics.jsonl", 10});
  for (const size_t rank : {0, 1, 3}) {
    EXPECT_EQ(struck[rank].code, 1) << struck[rank].output;
    EXPECT_LT(struck[rank].seconds, 30) << "the limit that is promised";
    EXPECT_NE(struck[rank].output.find("rank 2 ("), std::string::npos) << struck[rank].output;
  }
  const auto before = losses("run");
  for (const int64_t ranks : {1, 2}) {
    const std::string steps = std::to_string(before.size() + 4 * static_cast<size_t>(ranks));
    const auto arguments = train("run", {"train.max_steps=" + steps, "--resume"});
    expect_all(ranks == 1 ? std::vector{run_program(arguments)} : run_ranks(ranks, arguments), 0);
    EXPECT_EQ(losses("run").size(), std::stoul(steps));
  }
}

// With it goes the store, over which the ranks tell each other that they live.
TEST_F(Ranks, TheFirstKilledEndsAllWithItsName) {
  const auto struck = run_ranks(4, train("run", {"train.max_steps=5000"}),
                                Strike{0, SIGKILL, dir / "run/metrics.jsonl", 3});
  for (const size_t rank : {1, 2, 3}) {
    EXPECT_EQ(struck[rank].code, 1) << struck[rank].output;
    EXPECT_LT(struck[rank].seconds, 30) << "the limit that is promised";
    EXPECT_NE(struck[rank].output.find("rank 0 ("), std::string::npos) << struck[rank].output;
  }
}

TEST_F(Ranks, OneThatHangsEndsTheOthersWithItsName) {
  const auto struck = run_ranks(2, train("run", {"train.max_steps=5000"}),
                                Strike{0, SIGSTOP, dir / "run/metrics.jsonl", 3});
  EXPECT_EQ(struck[1].code, 1) << struck[1].output;
  EXPECT_NE(struck[1].output.find("rank 0 ("), std::string::npos) << struck[1].output;
}

TEST_F(Ranks, SigtermToOneSavesAndStopsAll) {
  const auto stopped = run_ranks(2, train("run", {"train.max_steps=5000"}),
                                 Strike{1, SIGTERM, dir / "run/metrics.jsonl", 3});
  expect_all(stopped, 143);
  EXPECT_NE(stopped[0].output.find("stopped and saved"), std::string::npos) << stopped[0].output;
  EXPECT_EQ(stopped[1].output, "") << "the others only warn";
  EXPECT_TRUE(fs::exists(dir / "run/checkpoints"));
}

TEST_F(Ranks, AFaultOfOneIsToldByAll) {
  fs::resize_file(dir / "data/videos/all/video3.mp4", 100);
  const auto outcomes = run_ranks(2, train("run", {"train.max_steps=20"}));
  expect_all(outcomes, 1);
  for (const auto& outcome : outcomes) {
    EXPECT_NE(outcome.output.find("video3.mp4"), std::string::npos) << outcome.output;
  }
}

TEST_F(Ranks, ABatchThatDoesNotDivideIsRefused) {
  const auto outcomes = run_ranks(3, train("run"));
  expect_all(outcomes, 1);
  EXPECT_NE(outcomes[0].output.find("train.batch: 8 pairs do not divide by 3 processes"),
            std::string::npos)
      << outcomes[0].output;
  EXPECT_FALSE(fs::exists(dir / "run"));
}

}  // namespace
}  // namespace vtr::test
