#include "vtr/core/cores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sched.h>
#include <thread>

namespace vtr {
namespace {

TEST(Cores, AreThoseOfTheMaskAndAShareOfTheMachine) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_LE(cores(), CPU_COUNT(&before));
  share_cores(1 << 20, /*own_masks=*/true);
  EXPECT_EQ(cores(), 1) << "more processes than cores";
  share_cores(2, /*own_masks=*/false);
  EXPECT_EQ(cores(), std::max(1, CPU_COUNT(&before) / 2));
  share_cores(1, /*own_masks=*/false);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(cores(), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace vtr
