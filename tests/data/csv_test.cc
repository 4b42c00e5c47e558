#include "datasets/csv.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

namespace vtr::data {
namespace {

Csv read_csv(const fs::path& path) { return parse_csv(read_file(path), path); }

using Fields = std::vector<std::string>;

TEST(Csv, QuotedFieldsHoldCommasQuotesAndNewlines) {
  test::TempDir dir;
  const auto csv =
      read_csv(dir.write("a.csv", "id,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,plain\r\n\r\n3,\"\"\n"));
  EXPECT_EQ(csv.header, (Fields{"id", "text"}));
  ASSERT_EQ(csv.rows.size(), 3u);
  EXPECT_EQ(csv.rows[0].fields, (Fields{"1", "a, \"b\"\nc"}));
  EXPECT_EQ(csv.rows[1].fields, (Fields{"2", "plain"}));
  EXPECT_EQ(csv.rows[1].line, 4);
  EXPECT_EQ(csv.rows[2].fields, (Fields{"3", ""}));
  EXPECT_EQ(csv.column("text"), 1);
  EXPECT_EQ(csv.column("none"), -1);
}

TEST(Csv, AMissingLastNewlineDoesNoHarm) {
  test::TempDir dir;
  const auto csv = read_csv(dir.write("a.csv", "video_id\nvideo1"));
  EXPECT_EQ(csv.column("video_id"), 0);
  ASSERT_EQ(csv.rows.size(), 1u);
  EXPECT_EQ(csv.rows[0].fields[0], "video1");
}

TEST(Csv, FaultsAreNamedByLine) {
  test::TempDir dir;
  const auto fault = [&](const std::string& text, const std::string& part) {
    const auto path = dir.write("a.csv", text);
    test::expect_error([&] { read_csv(path); }, path.string() + part);
  };
  fault("", ": the file is empty");
  fault("a,b\n1,2\n3\n", ":3: 1 fields, and the header has 2");
  fault("a,b\n1,\"2\n3,4\n", ":2: a quote is opened here");
  fault("a,b\n1,\"2\"x\n", ":2: text after a closing quote");
  test::expect_error([&] { read_csv(dir / "none.csv"); }, "no such file");
}

}  // namespace
}  // namespace vtr::data
