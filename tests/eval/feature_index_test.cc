#include "feature_index.h"

#include <gtest/gtest.h>

#include <set>

namespace vtr::eval {
namespace {

TEST(FolderName, IsTheSplitsWhereItCanBe) {
  EXPECT_EQ(folder_name("1k-A"), "1k-A");
  EXPECT_EQ(folder_name("val.csv"), "val.csv");
  EXPECT_EQ(store_folder("msrvtt 1k-A"), "msrvtt-1k-A");
}

TEST(FolderName, NoTwoSplitsHaveTheSame) {
  const std::vector<std::string> names = {"a-b",  "a b", "a/b", "a,b", "训练",
                                          "测试", ".",   "..",  "-"};
  std::set<std::string> folders;
  for (const auto& name : names) {
    folders.insert(folder_name(name));
    folders.insert(store_folder("jsonl " + name));
    EXPECT_EQ(folder_name(name).find_first_of("/ "), std::string::npos);
    EXPECT_FALSE(folder_name(name).starts_with('.'));
  }
  EXPECT_EQ(folders.size(), 2 * names.size());
}

}  // namespace
}  // namespace vtr::eval
