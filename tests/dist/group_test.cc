#include "vtr/dist/group.h"

#include "nccl_library.h"
#include "support/error_of.h"
#include "support/ranks.h"

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/types.h>

namespace vtr::dist {
namespace {

TEST(Group, GathersInTheOrderOfRanksAndWithoutHistory) {
  test::run_ranks(3, [](Group& group) {
    const Tensor own = torch::full({2, 2}, static_cast<double>(group.rank())).requires_grad_();
    const Tensor all = group.gather(own * 1);
    EXPECT_FALSE(all.requires_grad());
    const Tensor want = torch::arange(3).to(torch::kFloat).repeat_interleave(2);
    EXPECT_TRUE(torch::equal(all, want.unsqueeze(1).expand({6, 2})));
    const Tensor mask = group.gather(torch::full({1}, group.rank() == 1, torch::kBool));
    EXPECT_TRUE(torch::equal(mask, torch::tensor({false, true, false})));
  });
}

TEST(Group, GathersOtherNumbersOfRows) {
  test::run_ranks(3, [](Group& group) {
    const Tensor own = torch::full({group.rank(), 2}, static_cast<double>(group.rank()));
    const Tensor want = torch::tensor({1.0F, 2.0F, 2.0F}).unsqueeze(1).expand({3, 2});
    EXPECT_TRUE(torch::equal(group.gather_rows(own), want)) << "rank 0 has none";
  });
}

// More than one bucket, the last of a tensor alone, and one that is no contiguous block.
TEST(Group, SumsInPlaceTheSameOnAllRanks) {
  std::vector<Tensor> summed(2);
  test::run_ranks(2, [&](Group& group) {
    const auto rank = static_cast<double>(group.rank());
    const Tensor large = torch::full({7 << 20}, 1 + rank), scalar = torch::full({}, rank);
    const Tensor turned = (torch::arange(6).to(torch::kFloat).view({2, 3}) * (1 + rank)).t();
    const Tensor shared = torch::linspace(0.1, 0.7, 1000) * (1 + rank / 3);
    group.sum({scalar, turned, large, shared});
    EXPECT_TRUE(large.eq(3).all().item<bool>());
    EXPECT_EQ(scalar.item<float>(), 1);
    EXPECT_TRUE(torch::equal(turned, 3 * torch::arange(6).to(torch::kFloat).view({2, 3}).t()));
    summed[static_cast<size_t>(group.rank())] = shared;
  });
  EXPECT_TRUE(torch::equal(summed[0], summed[1]));
}

TEST(Group, BroadcastsRankZerosAndKnowsWhetherAny) {
  test::run_ranks(2, [](Group& group) {
    const Tensor x = torch::full({3}, static_cast<double>(group.rank() + 4)).requires_grad_();
    group.broadcast({x});
    EXPECT_TRUE(x.eq(4).all().item<bool>());
    EXPECT_TRUE(group.any(group.rank() == 1));
    EXPECT_FALSE(group.any(false));
  });
}

TEST(Group, WhatMustBeTheSameOnAllIsNamedWithTheRanksWhereItIsNot) {
  test::run_ranks(3, [](dist::Group& group) {
    group.check_same("the seed", "7");
    const std::string step = group.rank() == 1 ? "step 4" : "none";
    test::expect_error([&] { group.check_same("the checkpoint", step); },
                       "the checkpoint of rank 1 (");
  });
  Group().check_same("the seed", "7");
}

TEST(Group, OfOneExchangesNothing) {
  Group alone;
  const Tensor x = torch::ones({2});
  alone.sum({x});
  alone.broadcast({x});
  EXPECT_TRUE(torch::equal(alone.gather(x), torch::ones({2})));
  EXPECT_TRUE(alone.any(true));
  EXPECT_EQ(alone.size(), 1);
}

// As torchrun starts it: one process that meets itself.
TEST(Group, OfOneThatWasLaunchedExchangesWithItself) {
  test::run_ranks(1, [](Group& group) {
    EXPECT_FALSE(group.alone());
    const Tensor x = torch::full({2}, 3.0);
    group.sum({x});
    group.broadcast({x});
    EXPECT_TRUE(torch::equal(group.gather(x), torch::full({2}, 3.0)));
    EXPECT_FALSE(group.any(false));
  });
}

TEST(Group, ALibraryForGpusThatCannotBeLoadedIsNamedWithTheReason) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto make = [&](const std::string& library) {
    make_nccl(store, 0, 2, std::chrono::seconds(1), library);
  };
  test::expect_error([&] { make("libno_such.so"); }, "need libno_such.so beside the program");
  test::expect_error([&] { make("libno_such.so"); }, "cannot open shared object file");
  test::expect_error([&] { make("libm.so.6"); }, "libm.so.6: not a library of this program");
}

TEST(Group, AStoreThatIsNotThereIsNamed) {
  const int64_t port = test::free_port();
  test::expect_error([&] { Group(test::rank_of(1, 2, port), std::chrono::seconds(1)); },
                     fmt::format("rank 1 of 2: found no store at 127.0.0.1:{} within 1 s", port));
}

TEST(Group, RanksThatDoNotComeAreNamed) {
  const int64_t port = test::free_port();
  test::expect_error([&] { Group(test::rank_of(0, 3, port), std::chrono::seconds(1)); },
                     "rank 0: of 3 processes rank 1, 2 did not come within 1 s");
}

}  // namespace
}  // namespace vtr::dist
