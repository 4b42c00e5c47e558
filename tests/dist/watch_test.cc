#include "watch.h"

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <future>
#include <optional>

namespace vtr::dist {
namespace {

using std::chrono::milliseconds;

// Ranks of one process, over one store, that beat fast.
class Watching : public testing::Test {
 protected:
  struct Rank {
    std::promise<std::string> lost;
    std::future<std::string> why = lost.get_future();
    std::optional<Watch> watch;
  };
  void start(size_t count) {
    ranks = std::vector<Rank>(count);
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) names.push_back("rank " + std::to_string(i));
    for (size_t i = 0; i < count; ++i) {
      ranks[i].watch.emplace(store, static_cast<int64_t>(i), names,
                             Pace{milliseconds(10), milliseconds(500)},
                             [this, i](const std::string& why) { ranks[i].lost.set_value(why); });
    }
  }
  std::string verdict(size_t rank, int64_t wait_ms = 5000) {
    const bool there = ranks[rank].why.wait_for(milliseconds(wait_ms)) == std::future_status::ready;
    return there ? ranks[rank].why.get() : "nothing";
  }
  c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::HashStore>();
  std::vector<Rank> ranks;
};

TEST_F(Watching, ASilentRankIsNamedToAll) {
  start(3);
  ranks[1].watch.reset();
  store->set("beat/1", std::string("7 0"));  // as if it had been killed: not its last word
  for (const size_t rank : {0, 2}) {
    EXPECT_NE(verdict(rank).find("rank 1 has not been heard of"), std::string::npos);
  }
}

TEST_F(Watching, ARankThatFailsTellsTheOthersWhy) {
  start(3);
  ranks[2].watch->fail("video7.mp4: no frames");
  EXPECT_EQ(verdict(0), "rank 2 failed: video7.mp4: no frames");
  EXPECT_EQ(verdict(1), "rank 2 failed: video7.mp4: no frames");
  EXPECT_EQ(verdict(2, 50), "nothing") << "it says so itself";
}

TEST_F(Watching, ARankThatIsDoneIsNotMissed) {
  start(2);
  ranks[1].watch.reset();
  EXPECT_EQ(verdict(0, 1000), "nothing");
}

TEST_F(Watching, WhoHasBegunFewerExchangesIsLate) {
  start(3);
  for (const size_t rank : {0, 1, 1}) ranks[rank].watch->count();
  ranks[0].watch->count();
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(ranks[0].watch->late(), "rank 2");
  EXPECT_EQ(ranks[2].watch->late(), "");
}

}  // namespace
}  // namespace vtr::dist
