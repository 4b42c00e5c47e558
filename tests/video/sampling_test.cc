#include "vtr/core/error.h"
#include "vtr/video/frames.h"

#include <gtest/gtest.h>

#include <set>

namespace vtr::video {
namespace {

using Indices = std::vector<int64_t>;

TEST(Sampling, UniformTakesTheMiddleOfEachInterval) {
  EXPECT_EQ(sample_indices(12, {.frames = 4}), (Indices{1, 4, 7, 10}));
  EXPECT_EQ(sample_indices(100, {.frames = 3}), (Indices{16, 50, 83}));
  EXPECT_EQ(sample_indices(9, {.frames = 1}), (Indices{4}));
}

TEST(Sampling, UniformEndsTakesTheFirstAndTheLast) {
  EXPECT_EQ(sample_indices(13, {.frames = 4, .sampling = "uniform_ends"}), (Indices{0, 4, 8, 12}));
  EXPECT_EQ(sample_indices(13, {.frames = 1, .sampling = "uniform_ends"}), (Indices{0}));
}

TEST(Sampling, RandomIsAFunctionOfTheSeed) {
  const auto at = [](uint64_t seed) {
    return sample_indices(1000, {.frames = 12, .sampling = "random", .seed = seed});
  };
  EXPECT_EQ(at(1), at(1));
  EXPECT_NE(at(1), at(2));
}

TEST(Sampling, RandomReachesEveryFrameOfAnInterval) {
  std::set<int64_t> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    seen.insert(sample_indices(10, {.frames = 2, .sampling = "random", .seed = seed})[0]);
  }
  EXPECT_EQ(seen, (std::set<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Sampling, AShortVideoGivesEachFrameOnce) {
  for (const char* rule : {"uniform", "uniform_ends", "random"}) {
    EXPECT_EQ(sample_indices(3, {.frames = 12, .sampling = rule}), (Indices{0, 1, 2})) << rule;
    EXPECT_EQ(sample_indices(1, {.frames = 12, .sampling = rule}), (Indices{0})) << rule;
  }
}

TEST(Sampling, IndicesAscendAndAreInRange) {
  for (const auto& rule : sampling_rules().values) {
    for (int64_t n = 1; n <= 60; ++n) {
      for (int64_t frames = 1; frames <= 40; ++frames) {
        const auto indices =
            sample_indices(n, {.frames = frames, .sampling = rule, .seed = uint64_t(n * frames)});
        ASSERT_EQ(int64_t(indices.size()), std::min(n, frames));
        ASSERT_GE(indices.front(), 0);
        ASSERT_LT(indices.back(), n);
        for (size_t i = 1; i < indices.size(); ++i) ASSERT_LT(indices[i - 1], indices[i]);
      }
    }
  }
}

TEST(Sampling, AnUnknownRuleIsRefused) {
  EXPECT_THROW(sample_indices(5, {.frames = 2, .sampling = "sometimes"}), Error);
}

}  // namespace
}  // namespace vtr::video
