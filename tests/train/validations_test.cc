#include "validations.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

namespace vtr::train {
namespace {

TEST(Validations, TheHighestRecallIsTheBestAndTheMeanRankSettlesEqualOnes) {
  Validations all;
  EXPECT_TRUE(all.add(1, 19.99, 1));
  EXPECT_TRUE(all.add(1, 20, 9)) << "however little more";
  EXPECT_FALSE(all.add(2, 19, 2));
  EXPECT_TRUE(all.add(3, 20, 8));
  EXPECT_EQ(all.worse(), 0);
  EXPECT_TRUE(all.add(4, 20, 8)) << "of equal ones the newer";
  EXPECT_FALSE(all.add(5, 20, 8.5));
  EXPECT_EQ(all.best_step(), 4);
  EXPECT_EQ(all.worse(), 2) << "none of the last two was better";
  EXPECT_TRUE(all.has(5));
}

TEST(Validations, AreReadUpToAStep) {
  const test::TempDir run;
  write_file(run / "validation.jsonl",
             "{\"step\":2,\"t2v R@1\":30.0,\"t2v MnR\":4.5}\n"
             "{\"step\":4,\"t2v R@1\":25,\"t2v MnR\":5.0}\n"
             "{\"step\":6,\"t2v R@1\":40.0,\"t2v MnR\":3.0}\n");
  const Validations some(run.path(), 5), all(run.path(), 6);
  EXPECT_EQ(some.best_step(), 2);
  EXPECT_EQ(some.worse(), 1);
  EXPECT_TRUE(some.has(4) && !some.has(5));
  EXPECT_EQ(all.best_step(), 6);
  EXPECT_EQ(some.describe(), "up to step 4, the best 2, 1 since");
  write_file(run / "validation.jsonl", "{\"step\":2,\"t2v R@1\":30.0}\n");
  test::expect_error([&] { Validations(run.path(), 5); }, "a line has no number 't2v MnR'");
}

}  // namespace
}  // namespace vtr::train
