// Features on disk through the program: written, resumed, trained and evaluated from.
#include "support/files_of.h"
#include "support/program.h"

#include "vtr/core/files.h"
#include "vtr/models/weights/safetensors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <csignal>
#include <map>

namespace vtr::test {
namespace {

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Encode : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (dir / name).string(); }
  Outcome run(const Words& words, size_t file_limit = 0) const {
    return run_program(words, file_limit);
  }
  void expect_done(const Words& words) const {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
  }
  void expect_refused(const Words& words, const std::string& why) const {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.code, 1) << outcome.output;
    EXPECT_NE(outcome.output.find(why), std::string::npos) << outcome.output;
  }
  Words encode(const std::string& out, const Words& more = {}) const {
    return Words{"encode", "--config", config, "--out", path(out)} + more;
  }
  Words train(const std::string& name, const Words& more = {}) const {
    return Words{"train", "--config", config, "--run", path(name)} + more;
  }
  std::string features(const std::string& store) const { return "data.features=" + path(store); }
  std::map<std::string, std::string> files(const std::string& folder) const {
    return files_of(dir / folder);
  }
  nlohmann::json rows(const std::string& file) const {
    auto found = nlohmann::json::parse(read_file(dir / file));
    for (auto& row : found) row.erase("seconds");
    return found;
  }

  TempDir dir;
  std::string config = write_tiny_experiment(dir, 24, 8);
};

TEST_F(Encode, TrainingAndEvaluationFromTheStoreEqualThoseWithoutIt) {
  const Words val = {"data.val_fraction=0.2"};
  expect_done(encode("store", Words{"--dtype", "fp32"} + val));
  for (const std::string freeze : {"clip.visual.*", "clip.*"}) {
    const Words options = val + Words{"train.freeze=[" + freeze + "]", "train.max_steps=8"};
    expect_done(train("plain", options + Words{"--overwrite"}));
    expect_done(train("memory", options + Words{"train.encode_once=true", "--overwrite"}));
    const auto outcome = run(train("disk", options + Words{features("store"), "--overwrite"}));
    ASSERT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output.find("features from " + path("store") + ": 19 videos"),
              std::string::npos)
        << outcome.output;
    EXPECT_EQ(losses_of(dir / "memory"), losses_of(dir / "disk")) << freeze;
    // Texts encoded beside others round differently; other texts would be far away.
    EXPECT_NEAR(std::stod(losses_of(dir / "plain").back()),
                std::stod(losses_of(dir / "disk").back()), 1e-4);
    EXPECT_EQ(read_file(dir / "memory/validation.jsonl"), read_file(dir / "disk/validation.jsonl"));
    EXPECT_EQ(read_file(dir / "memory/checkpoints/step_00000008/model.safetensors"),
              read_file(dir / "disk/checkpoints/step_00000008/model.safetensors"));

    expect_done({"eval", "--run", path("disk"), "--json", path("disk.json")});
    expect_done({"eval", "--run", path("disk"), "data.features=", "--json", path("plain.json")});
    EXPECT_EQ(rows("disk.json"), rows("plain.json"));
  }
}

TEST_F(Encode, TrainsWithoutAnyVideoAndGoesOnAfterAKill) {
  expect_done(encode("store"));
  fs::remove_all(dir / "data/videos/all");
  fs::create_directories(dir / "data/videos/all");
  const Words options = {features("store"), "train.freeze=[clip.*]", "train.max_steps=40",
                         "train.checkpoint_every=5"};
  expect_done(train("whole", options));
  const auto killed =
      signal_program(train("killed", options), dir / "killed/metrics.jsonl", 12, SIGKILL);
  ASSERT_EQ(killed.code, 128 + SIGKILL) << killed.output;
  expect_done(train("killed", options + Words{"--resume"}));
  EXPECT_EQ(losses_of(dir / "whole"), losses_of(dir / "killed"));
  expect_done({"eval", "--run", path("whole")});
}

TEST_F(Encode, KilledAnywhereItEndsWithTheSameBytes) {
  const Words options = {"--shard", "4", "--tokens", "eval.batch=2"};
  expect_done(encode("whole", options));
  const auto whole = files("whole");
  EXPECT_EQ(whole.size(), 1 + 2 + 6 + 2 + 2U);  // index, items, videos of 24 and 8, texts
  const auto lines = std::ranges::count(whole.at("index.json"), '\n');
  int killed = 0;
  for (int i = 0; i < 6; ++i) {
    const auto outcome = signal_program(encode("killed", options), dir / "killed/index.json",
                                        static_cast<size_t>(1 + lines * i / 6), SIGKILL);
    killed += outcome.code == 128 + SIGKILL;
  }
  EXPECT_GT(killed, 0);
  expect_done(encode("killed", options));
  EXPECT_EQ(files("killed"), whole);
  for (const std::string split : {"train", "test"}) {
    expect_done(encode("parts", options + Words{"--split", split}));
  }
  EXPECT_EQ(files("parts"), whole);
}

TEST_F(Encode, AFullDiskLeavesWholeShards) {
  const Words options = {"--shard", "8", "--dtype", "fp32", "--tokens", "eval.batch=8"};
  const auto failed = run(encode("store", options), 40000);  // texts' shards are larger
  EXPECT_EQ(failed.code, 1) << failed.output;
  EXPECT_NE(failed.output.find("texts-00000.safetensors: File too large"), std::string::npos)
      << failed.output;
  const auto left = files("store");
  EXPECT_TRUE(left.contains("shapes-train/videos-00002.safetensors"));
  expect_refused(train("run", {features("store"), "train.freeze=[clip.*]"}), "are not whole");
  expect_done(encode("store", options));
  for (const auto& [name, bytes] : left) {
    EXPECT_TRUE(name == "index.json" || files("store").at(name) == bytes) << name;
  }
}

// As a download that was cut off and is done again: what was encoded before it stays.
TEST_F(Encode, AMendedVideoIsEncodedAndThoseBeforeItAreKept) {
  const Words options = {"--shard", "8", "eval.batch=8", "--split", "train"};
  const fs::path broken = dir / "data/videos/all/video20.mp4";
  const std::string whole = read_file(broken);
  fs::resize_file(broken, 100);
  expect_refused(encode("store", options), "video20.mp4");
  const auto left = files("store");
  dir.write("data/videos/all/video20.mp4", whole);
  expect_done(encode("store", options));
  EXPECT_EQ(files("store").at("shapes-train/videos-00000.safetensors"),
            left.at("shapes-train/videos-00000.safetensors"));
  expect_done(encode("afresh", options));
  EXPECT_EQ(files("store"), files("afresh"));

  fs::resize_file(broken, 100);
  const auto again = run(encode("store", options + Words{"data.on_error=skip"}));
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_NE(again.output.find("video20 is another file than was encoded: from shard 2 on"),
            std::string::npos)
      << again.output;
  EXPECT_NE(again.output.find("23 videos, "), std::string::npos) << again.output;
}

TEST_F(Encode, RefusesWhatWouldChangeOrHasChanged) {
  expect_done(encode("store"));
  const std::string store = features("store");
  expect_refused(train("run", {store}), "data.features: features would change from step to step");
  expect_refused(
      train("run", {store, "train.freeze=[clip.visual.*]", "video.train_sampling=random"}),
      "data.features: features would change from pass to pass");
  expect_refused(train("run", {store, "train.freeze=[clip.*]", "train.seed=2"}),
                 "are stale: the image tower differs");
  expect_refused(train("run", {store, "train.freeze=[clip.*]", "video.frames=3"}),
                 "video.frames is 4 there and 3 here");
  expect_refused(encode("store", {"--dtype", "fp32"}), "is a store of fp16");
  expect_refused(encode("store", {"--split", "val"}), "--split val: the configuration has none");
  expect_refused(train("run", {features("none"), "train.freeze=[clip.*]"}),
                 "none: is no feature store (no index.json in it)");
}

// The text tower trained on: its texts are encoded anew, the videos are still those of the store.
TEST_F(Encode, ATrainedTextTowerEncodesItsOwnTexts) {
  expect_done(encode("store", {"--dtype", "fp32"}));
  expect_done(
      train("run", {features("store"), "train.freeze=[clip.visual.*]", "train.max_steps=4"}));
  const auto outcome = run({"eval", "--run", path("run"), "--json", path("disk.json")});
  EXPECT_NE(outcome.output.find("texts are encoded here"), std::string::npos) << outcome.output;
  expect_done({"eval", "--run", path("run"), "data.features=", "--json", path("plain.json")});
  EXPECT_EQ(rows("disk.json"), rows("plain.json"));
  expect_done(
      {"encode", "--run", path("run"), "--out", path("own"), "--split", "test", "--dtype", "fp32"});
  expect_done({"eval", "--run", path("run"), features("own"), "--json", path("own.json")});
  EXPECT_EQ(rows("own.json"), rows("plain.json"));
}

TEST_F(Encode, AShardGoesIntoScore) {
  expect_done(encode("store", {"--split", "test", "--tokens"}));
  const std::string folder = path("store") + "/shapes-ordered/";
  expect_done({"score", "--head", "mean_pool", "--text", folder + "texts-00000.safetensors",
               "--video", folder + "videos-00000.safetensors", "--out", path("sim.safetensors")});
  EXPECT_EQ(models::load_safetensors(dir / "sim.safetensors").front().second.sizes(),
            (std::vector<int64_t>{8, 8}));
}

}  // namespace
}  // namespace vtr::test
