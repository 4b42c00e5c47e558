#include "vtr/sweep/overview.h"

#include "summary.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/config/load.h"

#include <gtest/gtest.h>

namespace vtr::sweep {
namespace {

Result result(const std::string& k, int64_t seed, double r1) {
  const Figures figures{
      "single",
      "t2v",
      {{"R@1", r1}, {"R@5", 50}, {"R@10", 60}, {"R@50", 90}, {"MdR", 5}, {"MnR", 9.5}}};
  return {Cell{"topk=" + k,
               {{"model.head.topk", k, "topk=" + k}},
               seed,
               YAML::Load("data: {dataset: msrvtt}")},
          {figures},
          ""};
}

TEST(Overview, IsWhatTheSweepItselfShows) {
  const test::TempDir dir;
  EXPECT_FALSE(is_sweep(dir.path()));
  SweepOptions options;
  options.paper = "table4";
  options.plot.x = "model.head.topk";
  std::vector<Result> results = {result("1", 1, 41), result("1", 2, 42), result("4", 1, 45),
                                 result("4", 2, 46)};
  results.back().figures.clear();
  results.back().error = "disk full";
  dir.write("sweep.yaml", config::to_text(config::write(options)));
  write_results(dir.path(), options, results);
  ASSERT_TRUE(is_sweep(dir.path()));
  const auto overview = read_overview(dir.path());
  EXPECT_EQ(overview.table.text(), table(options, results).text());
  ASSERT_EQ(overview.plots.size(), options.plot.metrics.size());
  EXPECT_EQ(overview.plots[0].first, "MdR over model.head.topk, single");
  EXPECT_EQ(overview.missing, "failed: topk=4/seed2: disk full\n");
  EXPECT_TRUE(overview.plots[0].second.starts_with("<svg"));
}

TEST(Overview, ResultsOfSomethingElseAreRefused) {
  const test::TempDir dir;
  dir.write("sweep.yaml", config::to_text(config::write(SweepOptions{})));
  dir.write("results.json", "[{\"a\": 1}]");
  test::expect_error([&] { read_overview(dir.path()); }, "results.json: ");
  dir.write("results.json", "[{");
  test::expect_error([&] { read_overview(dir.path()); }, "results.json: ");
}

}  // namespace
}  // namespace vtr::sweep
