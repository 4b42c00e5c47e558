#include "vtr/eval/paper.h"

#include "vtr/core/files.h"
#include "vtr/eval/protocols.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>

namespace vtr::eval {
namespace {

// What our rows are called where the paper says otherwise.
const std::map<std::string, std::string> kNames = {
    {"Ours", "the paper"}, {"baseline", "mean_pool"}, {"without", "none"}, {"with", "learned"}};

TEST(Paper, EveryFigureIsThePapers) {
  const auto json = nlohmann::json::parse(read_file(VTR_FIXTURES "/paper_tables.json"));
  for (const auto& [title, rows] : json.items()) {
    if (!title.starts_with("table")) continue;
    const auto& ours = paper_tables().find(title.substr(0, title.find(' '))).rows;
    ASSERT_EQ(ours.size(), rows.size()) << title;
    for (const auto& row : ours) {
      const auto their =
          std::ranges::find(kNames, row.system, &std::pair<const std::string, std::string>::second);
      const auto& figures = rows.at(their == kNames.end() ? row.system : their->first);
      const double values[] = {row.r1, row.r5, row.r10, row.mdr, row.mnr};
      for (size_t i = 0; i < 5; ++i) {
        if (figures[i].is_null()) {
          EXPECT_TRUE(std::isnan(values[i])) << title << ", " << row.system;
        } else {
          EXPECT_EQ(values[i], figures[i].get<double>()) << title << ", " << row.system;
        }
      }
    }
  }
}

TEST(Paper, AProtocolHasItsOwnTableAndOthersHaveNone) {
  EXPECT_EQ(paper_table("msrvtt", "7k", "1k-A"), "table1");
  EXPECT_EQ(paper_table("msrvtt", "9k", "1k-A"), "table2");
  EXPECT_EQ(paper_table("lsmdc", "train", "test"), "table3");
  EXPECT_EQ(paper_table("lsmdc", "train", "val"), "");
  EXPECT_EQ(paper_table("msrvtt", "9k", "full"), "");
  EXPECT_EQ(paper_table("msvd", "train", "test"), "");
  EXPECT_EQ(paper_tables().find("table2").rows.back().system, "the paper");
}

}  // namespace
}  // namespace vtr::eval
