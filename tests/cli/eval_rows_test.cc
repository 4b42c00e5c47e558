#include "eval_rows.h"

#include "report_sections.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vtr::cli {
namespace {

data::DataOptions options(const std::string& dataset, const std::string& train) {
  data::DataOptions result;
  result.dataset = dataset;
  result.train = train;
  return result;
}

data::Manifest manifest(size_t queries) {
  data::Manifest result;
  for (size_t i = 0; i < queries; ++i) result.videos.push_back({std::to_string(i), "", {"a"}});
  return result;
}

TEST(PublishedTable, IsThatOfWhatTheRunWasTrainedOn) {
  const auto asked = options("msrvtt", "7k");
  EXPECT_EQ(published_table(options("msrvtt", "9k"), asked, manifest(1000)), "table2");
  EXPECT_EQ(published_table(asked, asked, manifest(1000)), "table1");
  EXPECT_EQ(published_table(options("jsonl", "7k"), asked, manifest(1000)), "");
}

TEST(PublishedTable, IsNoneForOtherQueriesThanThePublishedOnes) {
  const auto data = options("msrvtt", "9k");
  EXPECT_EQ(published_table(data, data, manifest(8)), "");
  auto tested = manifest(1000);
  tested.sources = {{"test.csv", "612aec57", "612aec57"}, {"captions.json", "00000000", ""}};
  EXPECT_EQ(published_table(data, data, tested), "table2");
  tested.sources[0].md5 = "00000000";
  EXPECT_EQ(published_table(data, data, tested), "") << "a file of that name, and another inside";
}

TEST(EvalRows, EachIsHeldAgainstItsOwnTable) {
  const Subject a{"a", {}}, b{"b", {}}, c{"c", {}};  // the heads are joint
  const auto row = [](const Subject& subject, const std::string& table) {
    return Row{
        .subject = subject, .split = "1k-A", .table = table, .rerank = {"none", {}}, .results = {}};
  };
  const std::vector<Row> rows = {row(a, "table1"), row(b, "table2"), row(c, "")};
  const std::string text = tables(rows).text;
  for (const char* part : {"-44.6", "-47.2", "the paper (published, MSR-VTT 7k)",
                           "the paper (published, MSR-VTT 9k)"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const auto has_paper = [](const Row& of) {
    return std::ranges::any_of(records(of).front(),
                               [](const auto& field) { return field.first == "paper R@1"; });
  };
  EXPECT_TRUE(has_paper(rows[1]));
  EXPECT_FALSE(has_paper(rows[2]));
  EXPECT_EQ(tables({rows[2]}).text.find("published"), std::string::npos);
}

TEST(ReportedResult, StandsBesideTheRowsOfTheTableAlone) {
  const auto systems = [](const std::string& table) {
    const auto section = result_section({}, table, {}, {});
    return std::get<report::SortableTable>(section.blocks.at(1)).rows.size();
  };
  EXPECT_EQ(systems(""), 2U);  // the run's, both ways
  EXPECT_EQ(systems("table2"), 2 + eval::paper_tables().find("table2").rows.size());
}

}  // namespace
}  // namespace vtr::cli
