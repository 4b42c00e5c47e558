// vtr data check through the real program, and what training and evaluation make of its list.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vtr::test {
namespace {

class DataCheck : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 12, 8);
  std::string json = (dir / "check.json").string(), list = (dir / "skip.txt").string();

  Outcome check(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"data", "check", "--config", config};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }
  void remove(int i) const {
    fs::remove(dir / ("data/videos/all/video" + std::to_string(i) + ".mp4"));
  }
};

TEST_F(DataCheck, ASoundFolderIsSaidToBeSo) {
  for (const char* depth : {"--quick", "--decode"}) {
    const auto outcome = check({depth, "--json", json});
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output.find("shapes train"), std::string::npos) << outcome.output;
    const auto report = nlohmann::json::parse(read_file(json));
    EXPECT_EQ(report["shrinks"], false);
    EXPECT_EQ(report["splits"][0]["videos"], 12);
    EXPECT_EQ(report["splits"][1]["captions_max"], 1);
    EXPECT_EQ(report["problems"].size(), 0u);
  }
}

TEST_F(DataCheck, AListMendsAShrunkenSplitAndEveryResultSaysHowManyWereLeftOut) {
  remove(3);
  remove(13);
  const auto broken = check({"--fix-list", list, "--json", json});
  EXPECT_EQ(broken.code, 1) << broken.output;
  EXPECT_NE(broken.output.find("a split would shrink"), std::string::npos) << broken.output;
  EXPECT_NE(broken.output.find("train, missing: 1 videos"), std::string::npos) << broken.output;
  EXPECT_EQ(nlohmann::json::parse(read_file(json))["splits"][1]["reasons"]["missing"], 1);
  const std::string skip = "data.skip_list=" + list;
  const auto mended = check({skip});
  EXPECT_EQ(mended.code, 0) << mended.output;
  EXPECT_EQ(mended.output.find("would shrink"), std::string::npos) << mended.output;

  const std::string run = (dir / "run").string(), rows = (dir / "rows.json").string();
  const auto trained = run_program({"train", "--config", config, "--run", run, skip,
                                    "train.max_steps=1", "data.val_fraction=0.2"});
  EXPECT_EQ(trained.code, 0) << trained.output;
  EXPECT_NE(trained.output.find("1 skipped; validation: "), std::string::npos) << trained.output;
  const std::string chosen = read_file(dir / "run/validation.txt");
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), '\n'), 2);
  const auto evaluated = run_program({"eval", "--run", run, "--json", rows});
  EXPECT_EQ(evaluated.code, 0) << evaluated.output;
  EXPECT_NE(evaluated.output.find("skipped"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(read_file(rows))[0]["skipped"], 1);

  const auto record = nlohmann::json::parse(read_file(dir / "run/data.json"));
  EXPECT_EQ(record["train"]["skipped"].size(), 1u);
  EXPECT_EQ(record["val"]["videos"], 2);
  fs::rename(dir / "data", dir / "moved");  // the same data elsewhere is the same run
  const auto resume = [&](const std::string& skip_list) {
    return run_program({"train", "--run", run, "--resume", "train.max_steps=2",
                        "data.root=" + (dir / "moved").string(), "data.skip_list=" + skip_list});
  };
  const std::string longer = dir.write("longer.txt", read_file(list) + "video5\n").string();
  const auto shuffled = resume(longer);
  EXPECT_EQ(shuffled.code, 1) << shuffled.output;
  EXPECT_NE(shuffled.output.find("another one now"), std::string::npos) << shuffled.output;
  const auto resumed = resume(list);
  EXPECT_EQ(resumed.code, 0) << resumed.output;
}

TEST_F(DataCheck, DecodingIsTimedAndAFileThatCannotBeReadIsNamed) {
  const std::string videos = (dir / "data/videos/all").string();
  const auto timed = run_program({"bench", "decode", videos, "--frames", "3", "--resolution", "32",
                                  "--repeat", "1", "--json", json});
  EXPECT_EQ(timed.code, 0) << timed.output;
  const auto record = nlohmann::json::parse(read_file(json));
  EXPECT_EQ(record["videos"], 20);
  EXPECT_NEAR(record["frames_per_second"].get<double>(),
              3 * record["videos_per_second"].get<double>(), 1e-6);
  write_file(dir / "data/videos/all/text.mp4", "no video");
  const auto broken = run_program({"bench", "decode", videos});
  EXPECT_EQ(broken.code, 1);
  EXPECT_NE(broken.output.find("text.mp4"), std::string::npos) << broken.output;
}

}  // namespace
}  // namespace vtr::test
