#include "vtr/report/run.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/report/table.h"

#include <gtest/gtest.h>

namespace vtr::report {
namespace {

TEST(MetricsLog, GoesOnWithoutTheLinesAfterTheCheckpoint) {
  const test::TempDir dir;
  {
    MetricsLog log(dir / "metrics.jsonl", 0);
    for (int64_t step = 1; step <= 4; ++step) log.add({{"step", step}, {"loss", 0.1}});
  }
  std::ofstream(dir / "metrics.jsonl", std::ios::app) << "{\"step\": 5, \"lo";  // killed here
  MetricsLog(dir / "metrics.jsonl", 2).add({{"step", int64_t{3}}, {"loss", 0.2}});
  EXPECT_EQ(read_file(dir / "metrics.jsonl"),
            "{\"step\":1,\"loss\":0.1}\n{\"step\":2,\"loss\":0.1}\n{\"step\":3,\"loss\":0.2}\n");
}

TEST(Records, HoldNamesThatAreNotUtf8) {
  EXPECT_EQ(to_json(Record{{"run", std::string("b\xe9")}}), "{\"run\":\"b\xef\xbf\xbd\"}");
}

TEST(Records, AreReadAsTheyWereWritten) {
  const test::TempDir dir;
  const auto path =
      dir.write("metrics.jsonl",
                "{\"step\":1,\"loss\":0.25,\"by\":\"a\"}\n{\"loss\":null}\n{\"step\": 5, \"lo");
  const auto records = read_records(path);
  ASSERT_EQ(records.size(), 2U);  // the last line is torn
  EXPECT_EQ(to_json(records[0]), "{\"step\":1,\"loss\":0.25,\"by\":\"a\"}");
  EXPECT_TRUE(std::isnan(std::get<double>(records[1][0].second)));
  EXPECT_TRUE(read_records(dir / "none.jsonl").empty());
}

TEST(Records, ALineThatIsNoneIsNamed) {
  const test::TempDir dir;
  const auto path = dir.write("metrics.jsonl", "{\"step\":1}\n3\n{\"step\":2}\n");
  test::expect_error([&] { read_records(path); }, "metrics.jsonl, line 2: not a JSON object");
}

TEST(Json, DoublesKeepEveryBit) {
  EXPECT_EQ(to_json(Record{{"x", 0.1 + 0.2}}), "{\"x\":0.30000000000000004}");
}

TEST(TextTable, AlignsItsColumns) {
  TextTable table({"head", "R@1"});
  table.add({"joint", "47.2"});
  table.add({"x", "5.0"});
  EXPECT_EQ(table.text(), "head    R@1\njoint  47.2\nx       5.0\n");
}

}  // namespace
}  // namespace vtr::report
