#include "vtr/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace vtr {
namespace {

TEST(Random, IsAFunctionOfItsNames) {
  EXPECT_EQ(derive(1, "frames", 2, 3), derive(1, "frames", 2, 3));
  const std::set<uint64_t> seeds = {derive(1, "frames"), derive(2, "frames"), derive(1, "order"),
                                    derive(1, "frames", 1), derive(1, "frames", 0, 1)};
  EXPECT_EQ(seeds.size(), 5U);
  // The first output of SplitMix64 from seed 0, as its authors publish it.
  EXPECT_EQ(Rng(0).next(), 0xE220A8397B1DCDAFULL);
}

TEST(Random, BelowIsUniformAndInRange) {
  Rng rng(5);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);  // five standard deviations
}

TEST(Random, ShuffleIsAPermutation) {
  std::vector<int> items(100), sorted(100);
  for (int i = 0; i < 100; ++i) items[static_cast<size_t>(i)] = sorted[static_cast<size_t>(i)] = i;
  Rng(3).shuffle(items);
  EXPECT_NE(items, sorted);
  std::sort(items.begin(), items.end());
  EXPECT_EQ(items, sorted);
}

}  // namespace
}  // namespace vtr
