// The program as its users run it, on generated H.264 files.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <regex>

namespace vtr::test {
namespace {

class Program : public testing::Test {
 protected:
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 24, 8);
  std::string path(const std::string& name) const { return (dir / name).string(); }
  std::vector<std::string> train(const std::string& run, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"train", "--config", config, "--run", path(run)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

TEST_F(Program, TrainsEvaluatesExportsAndReadsBackWhatItWrote) {
  const auto trained = run_program(train("run", {"train.max_steps=6", "data.val_fraction=0.2"}));
  ASSERT_EQ(trained.code, 0) << trained.output;
  EXPECT_EQ(losses_of(dir / "run").size(), 6U);
  for (const char* line : {"memory, about [1-9]\\d* MB: parameters ",
                           "memory in the first step: [1-9]\\d* MB at most, \\d+ MB more than"}) {
    EXPECT_TRUE(std::regex_search(trained.output, std::regex(line))) << trained.output;
  }
  for (const char* file : {"config.yaml", "env.json", "log.txt", "checkpoints/step_00000006/DONE",
                           "checkpoints/best/model.safetensors"}) {
    EXPECT_TRUE(fs::exists(dir / "run" / file)) << file;
  }

  const auto evaluated = run_program({"eval", "--run", path("run"), "--split", "ordered", "--split",
                                      "single", "--json", path("eval.json")});
  ASSERT_EQ(evaluated.code, 0) << evaluated.output;
  const auto rows = nlohmann::json::parse(read_file(dir / "eval.json"));
  ASSERT_EQ(rows.size(), 4U);  // two splits, two directions
  for (const auto& row : rows) {
    EXPECT_EQ(row["head"], "joint");
    EXPECT_EQ(row["temporal"], "learned");
    EXPECT_EQ(row["queries"], 8);
    EXPECT_LE(row["R@1"], row["R@5"]);
    EXPECT_LE(row["R@5"], row["R@10"]);
    EXPECT_GE(row["MnR"], 1);
    EXPECT_LE(row["MnR"], 8);
  }

  ASSERT_EQ(run_program({"export", "--run", path("run"), "--out", path("clip.pt")}).code, 0);
  const auto info =
      run_program({"info", "--weights", path("clip.pt"), "--json", path("info.json")});
  ASSERT_EQ(info.code, 0) << info.output;
  EXPECT_EQ(nlohmann::json::parse(read_file(dir / "info.json"))["vision_width"], 64);

  // The archive gives the encoders that made it: sizes inferred, the same zero-shot figures.
  const auto before = run_program({"eval", "--config", config, "model.head.name=mean_pool",
                                   "model.weights=" + path("clip.pt"), "--json", path("a.json")});
  ASSERT_EQ(before.code, 0) << before.output;
}

// The real configuration, unchanged, over a folder in MSR-VTT's layout and an archive in OpenAI's
// naming with CLIP's own vocabulary and context; only its widths are small.
TEST_F(Program, Msrvtt9kRunsUnchangedOnATrueLayoutAndArchive) {
  ASSERT_EQ(run_program({"export", "--config", config, "model.encoder.vocab=49408",
                         "model.encoder.context=77", "model.encoder.embed_dim=64", "--half",
                         "--out", path("ViT.pt")})
                .code,
            0);
  const auto trained =
      run_program({"train", "--config", "msrvtt9k.yaml", "data.root=" + path("data"),
                   "model.weights=" + path("ViT.pt"), "--run", path("m"), "train.max_steps=2"});
  ASSERT_EQ(trained.code, 0) << trained.output;
  const auto evaluated = run_program({"eval", "--run", path("m")});
  ASSERT_EQ(evaluated.code, 0) << evaluated.output;
  for (const char* row : {"published", "minus the paper"}) {
    EXPECT_EQ(evaluated.output.find(row), std::string::npos)
        << "of other queries than the published ones: " << evaluated.output;
  }
}

// What a head adds to the loss is in it: the same first batch through the same weights.
TEST_F(Program, AHeadsPenaltyIsPartOfTheLoss) {
  std::vector<double> first;
  for (const std::string kind : {"0", "3"}) {
    ASSERT_EQ(run_program(train("run" + kind, {"train.max_steps=1", "model.head.name=wti",
                                               "model.head.decorrelation=" + kind}))
                  .code,
              0);
    first.push_back(std::stod(losses_of(dir / ("run" + kind)).front()));
  }
  EXPECT_GT(first[1], first[0] + 1e-3);
}

TEST_F(Program, HalfPrecisionStartsWhereFullDoes) {
  ASSERT_EQ(run_program(train("fp32", {"train.max_steps=3"})).code, 0);
  const double full = std::stod(losses_of(dir / "fp32").front());
  for (const std::string precision : {"bf16", "fp16"}) {
    const auto outcome =
        run_program(train(precision, {"train.max_steps=3", "train.precision=" + precision}));
    ASSERT_EQ(outcome.code, 0) << outcome.output;
    // The towers' products in 8 bits of mantissa, the head and the loss in fp32.
    EXPECT_NEAR(std::stod(losses_of(dir / precision).front()), full, 0.05) << precision;
    EXPECT_NE(losses_of(dir / precision), losses_of(dir / "fp32")) << "it was not in use";
  }
}

TEST_F(Program, LearnsToTellAFewVideosApart) {
  const auto trained =
      run_program(train("run", {"train.max_steps=150", "data.train=ordered", "train.batch=8",
                                "model.head.dropout=0", "data.cache_mb=100"}));
  ASSERT_EQ(trained.code, 0) << trained.output;
  ASSERT_EQ(run_program({"eval", "--run", path("run"), "--json", path("eval.json")}).code, 0);
  const auto rows = nlohmann::json::parse(read_file(dir / "eval.json"));
  EXPECT_EQ(rows[0]["R@1"], 100.0) << "eight videos, seen 150 times";
  EXPECT_EQ(rows[1]["R@1"], 100.0);
}

// Two captions of each of four videos in a batch of eight: decoded or read from features.
TEST_F(Program, CaptionsOfAVideoShareABatch) {
  const auto run = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train",
                                          "--config",
                                          config,
                                          "--run",
                                          (dir / name).string(),
                                          "train.max_steps=6",
                                          "train.freeze=[clip.visual.*]",
                                          "data.captions_per_video=2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  };
  EXPECT_EQ(run("decoded", {}).code, 0);
  EXPECT_EQ(run("encoded", {"train.encode_once=true"}).code, 0);
  const auto got = losses_of(dir / "encoded"), want = losses_of(dir / "decoded");
  ASSERT_EQ(got.size(), 6U);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(std::stod(got[i]), std::stod(want[i]), 1e-4 * std::stod(want[i])) << i;
  }
  EXPECT_EQ(run("alone", {"data.captions_per_video=1"}).code, 0);
  EXPECT_NE(losses_of(dir / "alone"), want);
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"data.captions_per_video=3"}, {"train.micro_batch=1"}}) {
    const auto refused = run("refused", more);
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.output.find("captions do not divide"), std::string::npos) << refused.output;
  }
}

TEST_F(Program, ARunIsNeverOverwrittenUnasked) {
  ASSERT_EQ(run_program(train("run", {"train.max_steps=1"})).code, 0);
  const auto again = run_program(train("run", {"train.max_steps=1"}));
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.output.find("--resume"), std::string::npos) << again.output;
  const auto other = run_program(train("run", {"train.max_steps=2", "train.lr=0.5", "--resume"}));
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.output.find("train.lr (0.002, 0.5)"), std::string::npos) << other.output;
}

}  // namespace
}  // namespace vtr::test
