// `vtr data pack` through the real program: killed, out of room, and over files that are no videos.
#include "support/files_of.h"
#include "support/program.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/core/random.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <map>
#include <sys/resource.h>

namespace vtr::test {
namespace {

struct Pack : testing::Test {
  std::vector<std::string> pack(const std::string& out,
                                const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {
        "data", "pack", "--config", config, "--out", (dir / out).string(), "--shard-mb", "0.05"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void expect_success(const std::vector<std::string>& arguments,
                      const std::string& part = "") const {
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
  }
  TempDir dir;
  std::string config;
};

TEST_F(Pack, KilledAtAnyMomentItGoesOnToTheSameBytes) {
  config = write_tiny_experiment(dir, 24, 8);
  expect_success(pack("whole"), "32 videos, 0 skipped");
  const auto whole = files_of(dir / "whole");
  EXPECT_EQ(whole.size(), 1 + 2 * 8u) << "store.yaml and eight shards";
  const std::vector<std::pair<std::string, size_t>> moments = {{"store.yaml", 1},
                                                               {"frames_00000.bin.tmp", 1},
                                                               {"frames_00002.jsonl", 1},
                                                               {"frames_00004.bin.tmp", 1}};
  int kills = 0;  // a moment may be over before it is seen
  for (const auto& [file, lines] : moments)
    kills += signal_program(pack("killed"), dir / "killed" / file, lines, SIGKILL).code != 0;
  EXPECT_GE(kills, 2);
  expect_success(pack("killed"), "32 videos, 0 skipped");
  EXPECT_EQ(files_of(dir / "killed"), whole);
}

// A limit on the file size stands in for a full disk: both end in a short write.
TEST_F(Pack, AFullDiskIsSaidAndWhatIsWholeStays) {
  config = write_tiny_experiment(dir, 8, 0);
  const auto full = run_program(pack("store", {"--split", "train"}), 20000);
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.output.find("frames_00000.bin: File too large"), std::string::npos) << full.output;
  EXPECT_NE(full.output.find("the same command goes on"), std::string::npos) << full.output;
  EXPECT_EQ(files_of(dir / "store").size(), 1u);
  expect_success(pack("store", {"--split", "train"}), "8 videos");
}

TEST_F(Pack, WhatAStoreLosesIsToldBeforeItIsMade) {
  config = write_tiny_experiment(dir, 8, 0);
  const std::vector<std::string> crops = {"--split", "train", "video.train_crop=random_resized"};
  expect_success(pack("store", crops), "from frames stored at 32 and enlarged to 32");
}

TEST_F(Pack, TestSplitsAreNamed) {
  config = write_tiny_experiment(dir, 8, 4);
  expect_success(pack("store", {"--split", "single", "--split", "events"}), "4 videos");
  const auto unknown = run_program(pack("none", {"--split", "nothing"}));
  EXPECT_EQ(unknown.code, 1);
  EXPECT_NE(unknown.output.find("nothing"), std::string::npos) << unknown.output;
}

TEST_F(Pack, TrainingAndEvaluatingFromItEqualDecoding) {
  config = write_tiny_experiment(dir, 16, 8);
  expect_success(pack("store"));
  const auto train = [&](const std::string& run, const std::string& more) {
    expect_success({"train", "--config", config, "--run", (dir / run).string(), "train.max_steps=3",
                    "train.epochs=1", more});
    expect_success({"eval", "--run", (dir / run).string(), "--json", (dir / run / "r").string()});
    const auto rows = read_file(dir / run / "r");
    return rows.substr(rows.find("\"queries\""), 200);  // past the run's name, before its seconds
  };
  train("decoded", "data.workers=1");
  train("packed", "data.store=" + (dir / "store").string());
  EXPECT_EQ(losses_of(dir / "decoded"), losses_of(dir / "packed"));
  EXPECT_NE(read_file(dir / "packed/metrics.jsonl").find("\"data_wait\":"), std::string::npos);
  const auto bench = run_program({"bench", "loader", "--config", config, "--repeat", "1",
                                  "--decode", "data.store=" + (dir / "store").string()});
  EXPECT_EQ(bench.code, 0) << bench.output;
  EXPECT_NE(bench.output.find("of_plain_read"), std::string::npos) << bench.output;
  const auto features = run_program({"bench", "loader", "--config", config, "data.features=none"});
  EXPECT_EQ(features.code, 1);
  EXPECT_NE(features.output.find("data.features: bench loader times"), std::string::npos)
      << features.output;
}

// Bytes changed, cut off, text, nothing: a kind a video in turn, and every fifth is left whole.
void corrupt(const fs::path& path, int64_t index) {
  std::string bytes = read_file(path);
  Rng rng(derive(7, "corrupt", static_cast<uint64_t>(index)));
  switch (index % 5) {
    case 0:
      return;
    case 1:
      for (int i = 0; i < 200; ++i) bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
      break;
    case 2:
      bytes.resize(rng.below(bytes.size()));
      break;
    case 3:
      bytes = "a text that was renamed\n";
      break;
    default:
      bytes.clear();
  }
  write_file(path, bytes);
}

int64_t most_memory_mb() {  // of any program run so far
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return usage.ru_maxrss >> 10;
}

// VTR_CORRUPT_VIDEOS=500 runs it at full size.
TEST_F(Pack, AFolderOfBrokenVideosIsPackedAndTrainedOn) {
  const char* asked = std::getenv("VTR_CORRUPT_VIDEOS");
  const int videos = asked ? std::atoi(asked) : 40;
  config = write_tiny_experiment(dir, videos - 8, 8);
  expect_success(pack("clean"));
  const std::string skip = "data.on_error=skip";
  const auto train = [&](const std::string& run, const std::string& store) {
    std::vector<std::string> arguments = {"train", "--config",          config, "--run",
                                          run,     "train.max_steps=3", skip};
    if (!store.empty()) arguments.push_back("data.store=" + (dir / store).string());
    expect_success(arguments);
    expect_success({"eval", "--run", run}, " skipped");
  };
  train((dir / "clean_run").string(), "");
  const int64_t memory = most_memory_mb();
  for (int i = 0; i < videos; ++i) corrupt(dir / fmt::format("data/videos/all/video{}.mp4", i), i);

  const std::string report = (dir / "check.json").string();
  const auto checked =
      run_program({"data", "check", "--config", config, "--decode", "--json", report});
  EXPECT_EQ(checked.code, 1) << checked.output;
  std::map<int, std::string> reasons;
  const auto found = nlohmann::json::parse(read_file(report));
  for (const auto& problem : found["problems"]) {
    const std::string id = problem["id"];
    reasons[std::stoi(id.substr(5))] = problem["reason"];
  }
  for (int i = 0; i < videos; ++i) {  // flipped bits may make another sound picture
    const bool told = reasons.contains(i);
    switch (i % 5) {
      case 0:
        EXPECT_FALSE(told) << i << " " << reasons[i];
        break;
      case 1:
        break;
      case 2:
        EXPECT_TRUE(told) << i;
        break;
      default:
        EXPECT_EQ(reasons[i], i % 5 == 3 ? "unreadable" : "empty") << i;
    }
  }

  const auto stopped = run_program(pack("stopped"));
  EXPECT_EQ(stopped.code, 1);
  EXPECT_NE(stopped.output.find("/data/videos/all/video"), std::string::npos) << stopped.output;
  const auto packed = run_program(pack("skipped", {skip}));
  EXPECT_EQ(packed.code, 0) << packed.output;
  EXPECT_NE(packed.output.find("videos could not be read"), std::string::npos) << packed.output;
  train((dir / "decoded").string(), "");
  train((dir / "packed").string(), "skipped");
  EXPECT_LT(most_memory_mb(), memory + 200) << "memory stays flat";
}

}  // namespace
}  // namespace vtr::test
