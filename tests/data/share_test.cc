#include "vtr/data/share.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtr::data {
namespace {

std::vector<int64_t> begins(int64_t items, int64_t step, int64_t world) {
  std::vector<int64_t> all;
  int64_t end = 0;
  for (int64_t rank = 0; rank < world; ++rank) {
    const Share share(items, step, rank, world);
    EXPECT_EQ(share.begin, end) << "nothing twice, nothing left out";
    EXPECT_EQ(share.size(), share.end - share.begin);
    end = share.end;
    all.push_back(share.begin);
  }
  EXPECT_EQ(end, items);
  return all;
}

TEST(Share, BeginsAtWholeBatchesWhereThereAreEnough) {
  EXPECT_EQ(begins(7, 2, 3), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(begins(100, 32, 2), (std::vector<int64_t>{0, 64}));
  EXPECT_EQ(begins(64, 32, 2), (std::vector<int64_t>{0, 32}));
}

TEST(Share, FewItemsAreSharedOutOneByOne) {
  EXPECT_EQ(begins(5, 2, 3), (std::vector<int64_t>{0, 1, 3}));
  EXPECT_EQ(begins(3, 2, 3), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(begins(2, 2, 3), (std::vector<int64_t>{0, 0, 1})) << "one has none";
}

}  // namespace
}  // namespace vtr::data
