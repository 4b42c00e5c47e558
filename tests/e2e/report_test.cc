// Reports through the program. What a browser makes of them: tests/scripts/report_test.py.
#include "support/program.h"

#include "vtr/core/files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vtr::test {
namespace {

using Words = std::vector<std::string>;

class Report : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (dir / name).string(); }
  void expect_done(const Words& words) const {
    const auto outcome = run_program(words);
    ASSERT_EQ(outcome.code, 0) << outcome.output;
  }
  void expect_refused(const Words& words, const std::string& why) const {
    const auto outcome = run_program(words);
    EXPECT_EQ(outcome.code, 1) << outcome.output;
    EXPECT_NE(outcome.output.find(why), std::string::npos) << outcome.output;
  }
  void train(const std::string& run, const std::string& option) const {
    expect_done({"train", "--config", config, "--run", path(run), "train.max_steps=4",
                 "data.val_fraction=0.2", option});
  }
  // The page, of which nothing may have been missing.
  std::string page(const std::string& file) const { return read_file(dir / file); }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  TempDir dir;
  std::string config = write_tiny_experiment(dir, 16, 8);
};

TEST_F(Report, ShowsWhatTheEvaluationSays) {
  train("run", "model.head.topk=2");
  expect_done({"report", path("run"), "--queries", "2"});
  expect_done({"eval", "--run", path("run"), "--json", path("eval.json")});
  const std::string html = page("run/report.html");
  for (const auto& row : nlohmann::json::parse(page("eval.json"))) {
    std::string cells = "<td>this run</td><td>" + row["direction"].get<std::string>() +
                        "</td><td class=\"number\">8</td>";
    for (const std::string name : {"R@1", "R@5", "R@10", "MdR", "MnR"}) {
      const auto value = [&](const char* end) { return row[name + end].get<double>(); };
      cells += fmt::format("<td class=\"number\">{:.1f} [{:.1f} to {:.1f}]</td>", value(""),
                           value(" low"), value(" high"));
    }
    EXPECT_TRUE(has(html, cells)) << cells;
  }
  for (const char* part :
       {"run: joint on shapes ordered", "Training loss", "Recall on the validation split",
        "Scores of 8 texts (down) and 8 videos", "Answered best", "Answered worst", "What beat it",
        "No published row is known for this training", "temporal: learned", "cpu capability",
        "The frames chosen are outlined", "src=\"data:image/jpeg;base64,", ", left out"}) {
    EXPECT_TRUE(has(html, part)) << part;
  }
}

TEST_F(Report, PostProcessedScoresAreLabelledAndStandBesideThePlainOnes) {
  train("run", "train.seed=1");
  expect_done({"report", path("run"), "eval.rerank=dsl", "--queries", "1"});
  const std::string html = page("run/report.html");
  EXPECT_TRUE(has(html, "post-processing: dsl beta=learned, transductive"));
  EXPECT_TRUE(has(html, "<td>this run</td><td>t2v</td>"));
  EXPECT_TRUE(has(html, "<td>this run + dsl beta=learned, transductive</td><td>t2v</td>"));
}

TEST_F(Report, SeveralRunsAreLinked) {
  train("a", "train.seed=1");
  train("b", "model.head={name: mean_pool}");
  expect_done({"report", path("a"), path("b"), "--out", path("pages"), "--queries", "1"});
  const std::string index = page("pages/index.html");
  EXPECT_TRUE(has(index, "href=\"a.html\"") && has(index, "href=\"b.html\"")) << index;
  EXPECT_TRUE(has(page("pages/a.html"), "href=\"b.html\""));
  EXPECT_TRUE(has(page("pages/b.html"), "href=\"index.html\""));
  EXPECT_TRUE(has(page("pages/b.html"), "This head does not weigh them by the text"));
  EXPECT_TRUE(has(page("pages/a.html"), "class=\"weight\""));
  EXPECT_FALSE(has(page("pages/b.html"), "class=\"weight\""));
  expect_refused({"report", path("a"), path("b")}, "--out DIR is needed");
  expect_refused({"report", path("a"), path("b"), "--out", path("a.html")}, "name a folder");
}

// The captions of a page are anybody's, and so are the names of files.
TEST_F(Report, HtmlInCaptionsIsText) {
  train("run", "train.seed=1");
  std::string lines;
  for (const auto& entry : fs::recursive_directory_iterator(dir / "data")) {
    if (entry.path().extension() != ".mp4") continue;
    lines += nlohmann::json{{"video", fs::relative(entry.path(), dir / "data").string()},
                            {"captions", {"a <script>alert(1)</script> & \"circle\""}},
                            {"split", "test"}}
                 .dump() +
             "\n";
  }
  dir.write("data/data.jsonl", lines);
  expect_done({"report", path("run"), "data.dataset=jsonl", "data.train=train", "--split", "test",
               "--out", path("out.html")});
  const std::string html = page("out.html");
  EXPECT_FALSE(has(html, "<script>alert"));
  EXPECT_TRUE(
      has(html, "<h3>a &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;circle&quot;</h3>"));
}

TEST_F(Report, FramesOfVideosThatAreGoneAreNamed) {
  train("run", "train.seed=1");
  expect_done({"encode", "--run", path("run"), "--out", path("store")});
  for (const auto& entry : fs::recursive_directory_iterator(dir / "data")) {
    if (entry.path().extension() == ".mp4") fs::remove(entry.path());
  }
  expect_refused({"report", path("run")}, ".mp4");
  expect_done({"report", path("run"), "data.features=" + path("store"), "--queries", "1"});
  EXPECT_TRUE(has(page("run/report.html"), "Its frames cannot be shown: "));
}

TEST_F(Report, WhatIsNoRunOrHasNoCheckpointIsNamed) {
  expect_refused({"report", path("none")}, "none: neither a run's folder nor a checkpoint");
  expect_refused({"report", path("data")}, "data: neither a run's folder nor a checkpoint");
  dir.write("started/config.yaml", read_file(config));
  expect_refused({"report", path("started")}, "started: there is no checkpoint in it");
  expect_refused({"report", "data.test=single"}, "which run or sweep?");
}

}  // namespace
}  // namespace vtr::test
