// `vtr eval` and `vtr compare` as their users run them, on generated H.264 files.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vtr::test {
namespace {

using Json = nlohmann::json;

// A run, trained for a few steps.
class EvalProgram : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir = new TempDir;
    config = write_tiny_experiment(*dir, 24, 8);
    train("a", {"train.max_steps=4", "data.val_fraction=0.25"});
  }
  static void TearDownTestSuite() { delete dir; }
  static void train(const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "--config", config,
                                          "--run", path(run),  "train.freeze=[clip.visual.*]"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = run_program(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.output;
  }
  static std::string path(const std::string& name) { return (*dir / name).string(); }
  // The rows of `vtr eval` with these arguments, which must succeed.
  static Json eval(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "eval");
    arguments.insert(arguments.end(), {"--json", path("rows.json")});
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    output = outcome.output;
    return Json::parse(read_file(path("rows.json")));
  }
  static void expect_failure(const std::vector<std::string>& arguments, const std::string& part) {
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 1) << outcome.output;
    EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
  }
  static std::vector<double> figures(const Json& row) {
    std::vector<double> values;
    for (const char* name : {"R@1", "R@5", "MdR", "MnR"}) values.push_back(row[name]);
    return values;
  }

  static inline TempDir* dir = nullptr;
  static inline std::string config, output;
};

TEST_F(EvalProgram, WritesTheRanksOfEveryQueryAndIntervals) {
  const auto rows = eval({"--run", path("a"), "--latex", path("table.tex")});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["rerank"], "none");
  EXPECT_EQ(rows[0]["transductive"], 0);
  EXPECT_LE(rows[0]["MnR low"], rows[0]["MnR"]);
  EXPECT_GE(rows[0]["MnR high"], rows[0]["MnR"]);
  EXPECT_NE(output.find("95% interval"), std::string::npos) << output;
  const fs::path results = *dir / "a/eval/ordered";
  const auto metrics = Json::parse(read_file(results / "metrics.json"));
  EXPECT_EQ(metrics["rows"], rows);
  EXPECT_EQ(metrics["protocol"]["ties"], "average");
  EXPECT_EQ(count_lines(results / "queries.csv"), 17U);  // the header, eight queries each way
  EXPECT_EQ(read_file(path("table.tex")).find("\\begin{tabular}"), 0U);
}

TEST_F(EvalProgram, NoIntervalsAndAnotherTiePolicyWhereTheyAreAskedFor) {
  const auto rows =
      eval({"--run", path("a"), "--out", path("plain"), "eval.resamples=0", "eval.ties=legacy"});
  EXPECT_FALSE(rows[0].contains("R@1 low"));
  EXPECT_EQ(rows[0]["ties"], "legacy");
  EXPECT_TRUE(fs::exists(*dir / "plain/ordered/ranks.safetensors"));
}

TEST_F(EvalProgram, ARunIsComparedWithAnother) {
  train("b", {"train.max_steps=9"});
  eval({"--run", path("a"), "--run", path("b"), "--split", "single"});
  const auto compared = run_program(
      {"compare", path("a"), path("b"), "--split", "single", "--json", path("compare.json")});
  ASSERT_EQ(compared.code, 0) << compared.output;
  EXPECT_NE(compared.output.find("sign test"), std::string::npos) << compared.output;
  const auto json = Json::parse(read_file(path("compare.json")));
  const auto& signs = json["t2v"]["sign test"];
  EXPECT_EQ(signs["better"].get<int>() + signs["worse"].get<int>() + signs["equal"].get<int>(), 8);
  const auto rows = eval({"--run", path("b"), "--split", "single"});
  EXPECT_EQ(json["t2v"]["differences"][0]["b"], rows[0]["R@1"]);
  EXPECT_NEAR(json["v2t"]["differences"][5]["b"], rows[1]["MnR"], 1e-9);
}

TEST_F(EvalProgram, ACheckpointIsComparedByItsName) {
  const std::string checkpoint = path("a/checkpoints/step_00000004");
  eval({"--run", checkpoint, "--split", "single"});
  eval({"--run", path("a"), "--split", "single"});
  const auto compared = run_program({"compare", checkpoint, path("a"), "--split", "single"});
  EXPECT_EQ(compared.code, 0) << compared.output;
  expect_failure({"compare", path("a/eval/single"), path("a/eval/single"), "--split", "ordered"},
                 "--split ordered: " + path("a/eval/single") + " is of single");
}

TEST_F(EvalProgram, WhatCannotBeComparedIsRefused) {
  eval({"--run", path("a"), "--out", path("one"), "--split", "ordered", "--split", "single"});
  expect_failure({"compare", path("one/ordered"), path("one/single")}, "not evaluated alike");
  eval({"--run", path("a")});
  eval({"--run", path("a"), "--out", path("other"), "eval.ties=optimistic"});
  expect_failure({"compare", path("one/ordered"), path("other/ordered")},
                 "ties: average, optimistic");
  expect_failure({"compare", path("a"), path("data"), "--split", "ordered"},
                 path("data") + ": was not evaluated; vtr eval --run");
  expect_failure({"compare", path("a"), path("a"), "--split", "events"},
                 "vtr eval --run RUN --split NAME");
  eval({"--run", path("a"), "--split", "single"});
  expect_failure({"compare", path("a"), path("data")}, path("data") + ": was not evaluated");
  expect_failure({"compare", path("a"), path("one")}, "--split: both were evaluated on ordered, ");
  expect_failure({"compare", path("other"), path("one/single")}, "not evaluated alike");
  expect_failure({"compare", path("nowhere"), path("a")}, "nowhere: no such folder");
  eval({"--run", path("a"), "--out", path("old"), "eval.ties=legacy"});
  expect_failure({"compare", path("old"), path("old")}, "eval.ties=legacy gives a query no rank");
}

TEST_F(EvalProgram, AnOverrideLeavesItsTraceAndIsToldWhenCompared) {
  const auto protocol = [](const std::string& out, std::vector<std::string> more) {
    more.insert(more.end(), {"--run", path("a"), "--out", path(out)});
    eval(more);
    return Json::parse(read_file(path(out + "/ordered/metrics.json")))["protocol"];
  };
  const auto own = protocol("own", {"eval.batch=3", "data.workers=1", "video.frames=4"});
  EXPECT_EQ(own["overrides"], "none") << "nothing of it changes a figure";
  EXPECT_EQ(own["checkpoint"], fs::canonical(*dir / "a/checkpoints/best").filename().string());
  EXPECT_NE(output.find(", step_0000000"), std::string::npos) << output;
  const auto other = protocol("twice", {"video.sampling=random", "text.max_words=12"});
  EXPECT_EQ(other["overrides"], "text.max_words=12 video.sampling=random");
  const auto compared = run_program({"compare", path("own/ordered"), path("twice/ordered")});
  EXPECT_EQ(compared.code, 0) << compared.output;
  EXPECT_NE(compared.output.find("none, text.max_words=12 video.sampling=random"),
            std::string::npos)
      << compared.output;
  eval({"--config", config, "--out", path("fresh"), "video.sampling=random"});
  const auto fresh = Json::parse(read_file(path("fresh/ordered/metrics.json")))["protocol"];
  EXPECT_EQ(fresh["overrides"], "none") << "they are the configuration";
  EXPECT_EQ(fresh["checkpoint"], "");
}

TEST_F(EvalProgram, AnOverrideDoesNotReplaceTheRunsOwnResults) {
  eval({"--run", path("a")});
  const fs::path plain = *dir / "a/eval/ordered/metrics.json";
  const std::string own = read_file(plain);
  eval({"--run", path("a"), "video.sampling=random", "eval.ties=legacy"});
  EXPECT_NE(output.find("a: with video.sampling=random"), std::string::npos) << output;
  EXPECT_EQ(read_file(plain), own);
  int others = 0;
  for (const auto& entry : fs::directory_iterator(*dir / "a/eval")) {
    others += entry.path().filename().string().starts_with("ordered@video.sampling-random");
    if (entry.path().filename().string().find('@') != std::string::npos)
      fs::remove_all(entry.path());
  }
  EXPECT_EQ(others, 1);
}

TEST_F(EvalProgram, EverySplitIsFoundBeforeTheFirstIsEncoded) {
  const auto outcome =
      run_program({"eval", "--run", path("a"), "--split", "ordered", "--split", "none_such"});
  EXPECT_EQ(outcome.code, 1) << outcome.output;
  EXPECT_EQ(outcome.output.find("[eval]"), std::string::npos) << outcome.output;
}

TEST_F(EvalProgram, WhatCannotBeWrittenIsToldBeforeTheWork) {
  dir->write("file", "no folder");
  const auto refused = [](const std::string& flag, const std::string& to, const std::string& why) {
    const auto outcome = run_program({"eval", "--run", path("a"), flag, path(to)});
    EXPECT_EQ(outcome.code, 1) << outcome.output;
    EXPECT_NE(outcome.output.find(why), std::string::npos) << outcome.output;
    EXPECT_EQ(outcome.output.find("[eval]"), std::string::npos) << outcome.output;
  };
  refused("--json", "nowhere/rows", "--json " + path("nowhere/rows") + ": cannot be written");
  refused("--latex", "nowhere/rows", "--latex " + path("nowhere/rows") + ": cannot be written");
  refused("--json", "data", "--json " + path("data") + ": is a folder, a file is needed");
  refused("--out", "file/rows", path("file/rows/ordered") + ": results cannot be written");
}

TEST_F(EvalProgram, PostProcessingStandsBesideTheScoresAndIsLabelled) {
  for (const std::string options : {"dsl", "qb_norm", "qb_norm, dynamic: false, bank: 6",
                                    "sinkhorn", "hungarian", "sinkhorn, choose: [1, 10]"}) {
    const auto rows = eval({"--run", path("a"), "eval.rerank={name: " + options + "}"});
    ASSERT_EQ(rows.size(), 4U) << options;
    EXPECT_EQ(rows[0]["transductive"], 0);
    EXPECT_EQ(rows[2]["transductive"], 1);
    const std::string name = options.substr(0, options.find(','));
    EXPECT_EQ(rows[2]["rerank"].get<std::string>().find(name), 0U) << rows[2];
    EXPECT_NE(output.find("joint + " + name + ", transductive"), std::string::npos) << output;
    EXPECT_TRUE(fs::exists(*dir / ("a/eval/ordered+" + name) / "ranks.safetensors"));
  }
  expect_failure({"eval", "--config", config, "eval.rerank={name: dsl, choose: [1]}"},
                 "there is no validation split");
  expect_failure({"eval", "--config", config, "eval.rerank={name: dls}"}, "unknown reranker 'dls'");
}

TEST_F(EvalProgram, FeaturesThatAreKeptGiveTheSameFigures) {
  const auto before = eval({"--run", path("a"), "--split", "single"});
  const auto kept =
      eval({"--run", path("a"), "--split", "single", "--keep-features", path("store")});
  const auto after =
      eval({"--run", path("a"), "--split", "single", "data.features=" + path("store")});
  EXPECT_NE(output.find("features from"), std::string::npos) << output;
  EXPECT_EQ(figures(kept[0]), figures(before[0]));
  EXPECT_EQ(figures(after[1]), figures(before[1]));
}

TEST_F(EvalProgram, WeightsFromAFileAreTheRuns) {
  const auto run = eval({"--run", path("a")});
  const auto file =
      eval({"--config", config, "--weights", path("a/checkpoints/best/model.safetensors")});
  EXPECT_EQ(figures(file[0]), figures(run[0]));
  const auto checkpoint = eval({"--checkpoint", path("a/checkpoints/best")});
  EXPECT_EQ(figures(checkpoint[0]), figures(run[0]));
  const auto step = fs::canonical(*dir / "a/checkpoints/best").filename();
  EXPECT_TRUE(fs::exists(*dir / "a/eval" / step / "ordered/metrics.json"));
  ASSERT_EQ(run_program({"export", "--run", path("a"), "--out", path("clip.safetensors")}).code, 0);
  eval({"--config", config, "--weights", path("clip.safetensors")});
  EXPECT_NE(output.find("the head is as it starts, untrained"), std::string::npos) << output;
  expect_failure({"eval", "--run", path("a"), "--weights", path("clip.safetensors")}, "--run and");
  expect_failure({"eval", "--config", config, "--from", "xpool"}, "name the checkpoint");
}

TEST_F(EvalProgram, CostsAreBesideTheFigures) {
  const auto rows = eval({"--run", path("a"), "--cost"});
  for (const char* name :
       {"GFLOPs a video", "GFLOPs a text", "videos/s", "texts/s", "pairs/s", "peak MB"}) {
    EXPECT_GT(rows[0][name], 0) << name;
  }
  EXPECT_GT(rows[0]["trained"], 0);
  EXPECT_LT(rows[0]["trained"], rows[0]["parameters"]) << "the image tower is frozen";
  EXPECT_NE(output.find("GFLOPs a video"), std::string::npos) << output;
}

TEST_F(EvalProgram, AProtocolIsForRunsThatWereTrainedByIt) {
  expect_failure({"eval", "--run", path("a"), "--protocol", "msrvtt-9k"},
                 "trains on msrvtt 9k, " + path("a") + " was trained on shapes train");
  expect_failure({"eval", "--run", path("a"), "--protocol", "msrvtt-9k", "data.dataset=msrvtt",
                  "data.train=9k"},
                 path("a") + " was trained on shapes train");
  const auto both =
      run_program({"eval", "--run", path("a"), "--protocol", "msrvtt-9k", "--split", "ordered"});
  EXPECT_EQ(both.code, 2) << both.output;
}

TEST_F(EvalProgram, ARunKeepsItsPostProcessingWhenItGoesOn) {
  train("further", {"train.max_steps=1", "eval.rerank={name: dsl, beta: 7}"});
  const auto resumed =
      run_program({"train", "--run", path("further"), "--resume", "train.max_steps=2"});
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_NE(read_file(path("further/config.yaml")).find("beta: 7"), std::string::npos);
}

TEST_F(EvalProgram, WhatIsNotThereIsNamed) {
  const TempDir broken;
  fs::copy(*dir / "data", broken / "data", fs::copy_options::recursive);
  fs::remove(broken / "data/videos/all/video25.mp4");
  expect_failure({"eval", "--run", path("a"), "data.root=" + (broken / "data").string()},
                 "1 of 8 video files are missing");
  const auto rest = eval({"--run", path("a"), "--out", path("rest"), "data.on_error=skip",
                          "data.root=" + (broken / "data").string()});
  EXPECT_EQ(rest[0]["queries"], 7);
  EXPECT_EQ(rest[0]["skipped"], 1);
  fs::create_directories(broken / "run");
  fs::copy(*dir / "a/config.yaml", broken / "run/config.yaml");
  expect_failure({"eval", "--run", (broken / "run").string()}, "there is no checkpoint in it");
  expect_failure({"eval", "--run", path("data")}, "neither a run's folder nor a checkpoint");
  dir->write("mine/ordered/notes.txt", "mine");
  expect_failure({"eval", "--run", path("a"), "--out", path("mine")}, "holds something else");
}

}  // namespace
}  // namespace vtr::test
