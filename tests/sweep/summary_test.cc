#include "summary.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <regex>

namespace vtr::sweep {
namespace {

Figures figures(const std::string& direction, double r1) {
  return {"single",
          direction,
          {{"R@1", r1}, {"R@5", 50}, {"R@10", 60}, {"R@50", 90}, {"MdR", 5}, {"MnR", 9.5}}};
}

// K = 1 and 4, two seeds each, one of which has failed and one is not there yet.
std::vector<Result> results(const std::string& dataset = "msrvtt") {
  std::vector<Result> all;
  for (const char* k : {"1", "4"}) {
    for (const int64_t seed : {1, 2}) {
      const std::string name = std::string("topk=") + k;
      const Cell cell{name,
                      {{"model.head.topk", k, name}},
                      seed,
                      YAML::Load("data: {dataset: " + dataset + "}")};
      const double r1 = 40 + std::stod(k) + static_cast<double>(seed);
      all.push_back({cell, {figures("t2v", r1), figures("v2t", r1 - 1)}, ""});
    }
  }
  all[1].figures.clear();
  all[1].error = "disk full";
  return all;
}

const SweepOptions kOptions = [] {
  SweepOptions options;
  options.paper = "table4";
  options.plot.x = "model.head.topk";
  return options;
}();

TEST(Statistic, IsTheMeanAndTheDeviationOfASample) {
  const auto s = statistic({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(s.mean, 5);
  EXPECT_DOUBLE_EQ(s.deviation, std::sqrt(32.0 / 7));
  EXPECT_DOUBLE_EQ(statistic({46.5, 47.5}).deviation, std::sqrt(0.5));
  EXPECT_DOUBLE_EQ(statistic({3}).mean, 3);
  EXPECT_TRUE(std::isnan(statistic({3}).deviation)) << "one run says nothing of the spread";
}

TEST(Summary, ATableHasMeansThePublishedRowsAndWhatFailed) {
  const std::string text =
      std::regex_replace(table_text(kOptions, results()), std::regex(" +"), " ");
  for (const std::string row :
       {"topk=1 single t2v 1 42.0 50.0", "topk=4 single t2v 2 45.5 ± 0.7 50.0 ± 0.0",
        "topk=4 single v2t 2 44.5 ± 0.7", "4 (published, MSR-VTT 7k) t2v 44.2 70.5",
        "failed: topk=1/seed2: disk full"}) {
    EXPECT_NE(text.find(row), std::string::npos) << row << "\n" << text;
  }
}

TEST(Summary, FilesHoldTheCellsTheMeansAndThePlots) {
  const test::TempDir dir;
  write_results(dir.path(), kOptions, results());
  const auto cells = nlohmann::json::parse(read_file(dir / "results.json"));
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_EQ(cells[2]["run"], "topk=4/seed1");
  EXPECT_EQ(cells[2]["options"]["model.head.topk"], 4);
  EXPECT_EQ(cells[2]["seed"], 1);
  EXPECT_EQ(cells[2]["metrics"]["single"]["t2v"]["R@1"], 45);
  EXPECT_EQ(cells[2]["metrics"]["single"]["v2t"]["MnR"], 9.5);
  EXPECT_EQ(cells[1]["error"], "disk full");
  const std::string csv = read_file(dir / "results.csv");
  EXPECT_TRUE(csv.starts_with("cell,split,direction,seeds,R@1 mean,R@1 std,")) << csv;
  EXPECT_NE(csv.find("topk=4,single,t2v,2,45.5000,0.7071,"), std::string::npos) << csv;
  EXPECT_NE(csv.find("topk=1,single,t2v,1,42.0000,,"), std::string::npos) << csv;
  EXPECT_NE(read_file(dir / "results.md").find("| 45.5 ± 0.7 |"), std::string::npos);
  EXPECT_NE(read_file(dir / "results.tex").find("$45.5 \\pm 0.7$"), std::string::npos);
  const std::string plot = read_file(dir / "plots/single_R@1.svg");
  EXPECT_NE(plot.find("measured: 45.5 [44.7929, 46.2071]"), std::string::npos) << plot;
  EXPECT_NE(plot.find("the paper, MSR-VTT 7k: 44.2"), std::string::npos) << plot;
  EXPECT_TRUE(fs::exists(dir / "plots/single_MnR.svg"));
}

TEST(Summary, AFilesOrderOfNumbersDoesNotChangeItsPlots) {
  const test::TempDir dir;
  const auto plot = [&](const std::vector<Result>& results) {
    write_results(dir.path(), kOptions, results);
    return read_file(dir / "plots/single_R@1.svg");
  };
  auto all = results();
  const std::string ascending = plot(all);
  std::ranges::rotate(all, all.begin() + 2);
  EXPECT_EQ(plot(all), ascending);
}

TEST(Summary, ThePapersCurveOfOtherDataHasAFrameOfItsOwn) {
  const test::TempDir dir;
  const auto frames = [&](const std::string& dataset) {
    write_results(dir.path(), kOptions, results(dataset));
    const std::string plot = read_file(dir / "plots/single_R@1.svg");
    EXPECT_NE(plot.find("the paper, MSR-VTT 7k: 41.5"), std::string::npos) << plot;
    return plot.find("published</text>") == std::string::npos ? 1 : 2;
  };
  EXPECT_EQ(frames("msrvtt"), 1);
  EXPECT_EQ(frames("shapes"), 2);
}

TEST(Summary, FiguresAreThoseOfAllSplitsOrNone) {
  const test::TempDir dir;
  const auto row = [](const std::string& split, const std::string& direction) {
    return fmt::format(R"({{"captions": "{}", "direction": "{}", "R@1": 1, "R@5": 2, "R@10": 3,)"
                       R"( "R@50": 4, "MdR": 5, "MnR": 6.5}})",
                       split, direction);
  };
  const auto file =
      dir.write("rows.json", "[" + row("single", "t2v") + "," + row("single", "v2t") + "]");
  const auto read = read_figures(file, {"single"});
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[1].direction, "v2t");
  EXPECT_EQ(read[1].values.at("MnR"), 6.5);
  EXPECT_TRUE(read_figures(file, {"single", "ordered"}).empty()) << "it must be evaluated again";
  EXPECT_TRUE(read_figures(dir / "nothing.json", {}).empty());
  test::expect_error([&] { read_figures(dir.write("bad.json", "[{}]"), {}); }, "bad.json: ");
  test::expect_error([&] { read_figures(dir.write("torn.json", "[{"), {}); }, "torn.json: ");
}

}  // namespace
}  // namespace vtr::sweep
