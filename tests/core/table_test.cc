#include "vtr/core/table.h"

#include <gtest/gtest.h>

namespace vtr {
namespace {

TEST(Nearest, FindsASlipAndNothingFarOff) {
  EXPECT_EQ(nearest("epoch", {"epochs", "batch"}), "epochs");
  EXPECT_EQ(nearest("bacth", {"epochs", "batch"}), "batch");
  EXPECT_EQ(nearest("zebra", {"epochs", "batch"}), "");
}

struct Entry {
  std::string name, summary;
};

TEST(Table, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const Table<Entry> table("thing", {{"a", ""}, {"b", ""}});
  EXPECT_EQ(table.find("b").name, "b");
  try {
    table.find("c");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "unknown thing 'c' (known: a, b)");
  }
}

}  // namespace
}  // namespace vtr
