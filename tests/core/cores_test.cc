#include "vtr/core/cores.h"

#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sched.h>
#include <sstream>
#include <thread>

namespace vtr {
namespace {

TEST(Cores, AreThoseOfTheMaskAndAShareOfTheMachine) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  const int64_t all = cores();
  EXPECT_LE(all, CPU_COUNT(&before));
  share_cores(1 << 20, /*own_masks=*/true);
  EXPECT_EQ(cores(), 1) << "more processes than cores";
  share_cores(2, /*own_masks=*/false);
  EXPECT_EQ(cores(), std::max<int64_t>(1, all / 2));
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

TEST(Cores, TheLeastQuotaOnTheWayToTheGroupHolds) {
  const test::TempDir root;
  const auto quota = [&](const std::string& membership) {
    std::istringstream text(membership);
    return quota_of(root.path(), text);
  };
  const std::string membership = "4:memory:/elsewhere\n0::/a/b\n";
  EXPECT_EQ(quota(membership), INT64_MAX);
  const auto set = [&](const std::string& group, const std::string& text) {
    root.write(group + "cpu.max", text);
  };
  set("", "max 100000\n");
  EXPECT_EQ(quota(membership), INT64_MAX);
  set("a/b/", "600000 100000\n");
  EXPECT_EQ(quota(membership), 6);
  set("a/", "250000 100000\n");
  EXPECT_EQ(quota(membership), 3) << "a group above, of 2.5";
  EXPECT_EQ(quota("0::/not/seen/from/here\n"), INT64_MAX);
  EXPECT_EQ(quota(""), INT64_MAX);
  set("", "50000 100000\n");
  EXPECT_EQ(quota("0::/not/seen/from/here\n"), 1) << "a container's own";
  set("", "nonsense");
  EXPECT_EQ(quota("0::/\n"), INT64_MAX);
}

}  // namespace
}  // namespace vtr
