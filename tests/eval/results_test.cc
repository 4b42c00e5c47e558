#include "vtr/eval/results.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/eval/compare.h"
#include "vtr/models/weights/safetensors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <algorithm>

namespace vtr::eval {
namespace {

class ResultsTest : public testing::Test {
 protected:
  ResultsTest() {
    manifest.name = "tiny test";
    manifest.videos = {{"v0", "", {"plain", "with, a comma"}},
                       {"v1", "", {"\"quoted\"\nand broken <b>off</b>"}},
                       {"v,2", "", {"last"}}};
    protocol.queries = manifest.sha256();
  }
  void write(const std::string& name, const Tensor& of, const Tensor& kept = {}) const {
    const auto results = rank_both(of, of.t(), target, options);
    write_results(dir / name,
                  {protocol, results, manifest, {{{"R@1", results.t2v.metrics.r1}}}, kept});
  }
  StoredResults stored(const std::string& name) const { return read_results(dir / name); }

  test::TempDir dir;
  data::Manifest manifest;
  Protocol protocol{.dataset = "tiny",
                    .split = "test",
                    .ties = "average",
                    .rerank = "none",
                    .checkpoint = "step_00000004"};
  EvalOptions options;
  std::vector<int64_t> target = {0, 0, 1, 2};
  // Ranks 1, 2, 3 and 1.5.
  Tensor sim = torch::tensor({{.9F, .1F, .2F}, {.5F, .6F, .1F}, {.7F, .1F, .4F}, {.1F, .3F, .3F}});
};

TEST_F(ResultsTest, AreReadBackAsTheyWereWritten) {
  write("a", sim, sim);
  const auto back = stored("a");
  EXPECT_EQ(back.t2v_rank, (std::vector<double>{1, 2, 3, 1.5}));
  EXPECT_EQ(back.v2t_rank.size(), 3U);
  EXPECT_EQ(back.texts, captions_of(manifest));
  EXPECT_EQ(back.videos, (std::vector<std::string>{"v0", "v1", "v,2"}));
  EXPECT_EQ(back.protocol.queries, manifest.sha256());
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : models::load_safetensors(dir / "a" / "ranks.safetensors")) {
    tensors[name] = tensor;
  }
  EXPECT_TRUE(tensors.at("sim").equal(sim));
  EXPECT_TRUE(tensors.at("t2v_top")[1].equal(torch::tensor({1, 0, 2})));
  EXPECT_TRUE(tensors.at("t2v_top_score")[1].equal(torch::tensor({.6F, .5F, .1F})));
  // From video 0: its own best caption .9, then video 1's .7.
  EXPECT_TRUE(tensors.at("v2t_top")[0].equal(torch::tensor({0, 1, 2})));
  const auto json = nlohmann::json::parse(read_file(dir / "a" / "metrics.json"));
  EXPECT_EQ(json["protocol"]["split"], "test");
  EXPECT_EQ(json["protocol"]["overrides"], "none");
  EXPECT_EQ(json["protocol"]["checkpoint"], "step_00000004");
  EXPECT_EQ(back.protocol.checkpoint, "step_00000004");
  EXPECT_EQ(json["rows"][0]["R@1"], 25);
}

TEST_F(ResultsTest, TheSpreadsheetQuotesWhatItMust) {
  write("a", sim);
  const std::string csv = read_file(dir / "a" / "queries.csv");
  EXPECT_TRUE(csv.starts_with("direction,query,video,rank,top 1,")) << csv;
  EXPECT_NE(csv.find("t2v,\"with, a comma\",v0,2,v1,v0,\"v,2\",,"), std::string::npos) << csv;
  EXPECT_NE(csv.find("t2v,\"\"\"quoted\"\"\nand broken <b>off</b>\",v1,3,v0,\"v,2\",v1,"),
            std::string::npos)
      << csv;
  EXPECT_NE(csv.find("v2t,\"v,2\",\"v,2\","), std::string::npos) << csv;
}

TEST_F(ResultsTest, IntervalsAreLeftOutWhenNobodyWantsThem) {
  EXPECT_TRUE(rank_both(sim, sim.t(), target, options).v2t.interval);
  options.resamples = 0;
  EXPECT_FALSE(rank_both(sim, sim.t(), target, options).v2t.interval);
}

TEST_F(ResultsTest, ReplaceResultsAndNothingElse) {
  write("a", sim);
  write("a", -sim);
  EXPECT_EQ(stored("a").t2v_rank.front(), 3);
  dir.write("mine/notes.txt", "mine");
  test::expect_error([&] { write("mine", sim); }, "holds something else than results");
  dir.write("file", "mine");
  test::expect_error([&] { write("file/a", sim); }, "results cannot be written");
  test::expect_error([&] { check_place(dir / "file/a"); }, "results cannot be written");
  check_place(dir / "new/folder/a");
  EXPECT_EQ(read_file(dir / "mine" / "notes.txt"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 3) << "nothing lies beside them";
}

TEST_F(ResultsTest, WhatIsMissingOrBrokenIsNamed) {
  test::expect_error([&] { stored("none"); }, "vtr eval --run RUN --split NAME");
  write("a", sim);
  const fs::path file = dir / "a" / "ranks.safetensors";
  const std::string whole = read_file(file);
  for (size_t length = 0; length < whole.size(); length += 37) {
    write_file(file, whole.substr(0, length));
    test::expect_error([&] { stored("a"); }, "ranks.safetensors: no results of vtr eval");
  }
  models::save_safetensors(file, {{"t2v_rank", torch::ones(3)}}, {{"protocol", "{}"}});
  test::expect_error([&] { stored("a"); }, "no tensor 'v2t_rank'");
}

TEST_F(ResultsTest, ComparingTellsWhatMoved) {
  write("a", sim);
  Tensor other = sim.clone();
  other[2] = torch::tensor({.1F, .9F, .4F});  // 3 -> 1
  other[0] = torch::tensor({.3F, .9F, .2F});  // 1 -> 2
  write("b", other);
  const auto found = compare(stored("a"), stored("b"), {}, /*moved=*/1).t2v;
  EXPECT_EQ(found.signs.better, 1);
  EXPECT_EQ(found.signs.worse, 1);
  EXPECT_EQ(found.signs.equal, 2);
  ASSERT_EQ(found.better.size(), 1U);
  EXPECT_EQ(found.better[0].query, "\"quoted\"\nand broken <b>off</b>");
  EXPECT_EQ(found.better[0].from, 3);
  EXPECT_EQ(found.better[0].to, 1);
  EXPECT_EQ(found.worse[0].query, "plain");
  EXPECT_EQ(found.differences[0].metric, "R@1");
  EXPECT_EQ(found.differences[0].value(), 0);
  EXPECT_DOUBLE_EQ(found.differences[5].value(), -0.25);
}

TEST_F(ResultsTest, OtherProtocolsAreNotCompared) {
  write("a", sim);
  const auto refused = [&](const std::string& part) {
    write("b", sim);
    test::expect_error([&] { compare(stored("a"), stored("b"), {}); }, "not evaluated alike");
    test::expect_error([&] { compare(stored("a"), stored("b"), {}); }, part);
  };
  protocol.ties = "optimistic";
  refused("; ties: average, optimistic");
  protocol.ties = "average";
  protocol.rerank = "dsl beta=100";
  refused("; rerank: none, dsl beta=100");
  protocol.rerank = "none";
  manifest.videos[0].captions[0] = "another";
  protocol.queries = manifest.sha256();
  refused("; queries: ");
}

TEST_F(ResultsTest, ThoseFromBeforeOverridesWereRecordedAreRead) {
  write("a", sim);
  const fs::path file = dir / "a" / "ranks.safetensors";
  std::map<std::string, std::string> metadata;
  const auto tensors = models::load_safetensors(file, &metadata);
  auto older = nlohmann::json::parse(metadata.at("protocol"));
  older.erase("overrides");
  older.erase("checkpoint");
  metadata["protocol"] = older.dump();
  models::save_safetensors(file, tensors, metadata);
  EXPECT_EQ(stored("a").protocol.overrides, "none");
  EXPECT_EQ(stored("a").protocol.checkpoint, "");
}

TEST(PostProcessing, IsNamedWithItsOptions) {
  EXPECT_EQ(describe({"none", {}}), "none");
  EXPECT_EQ(describe({"dsl", YAML::Load("{beta: 20, choose: []}")}), "dsl beta=20, transductive");
  EXPECT_EQ(describe({"dsl", YAML::Load("{beta: 0}")}), "dsl beta=learned, transductive")
      << "the same for all runs, whatever they have learned";
  EXPECT_EQ(describe({"dsl", YAML::Load("{beta: 20, choose: [1, 2]}")}),
            "dsl beta=the best on validation of 1, 2, transductive");
}

}  // namespace
}  // namespace vtr::eval
