#include "vtr/core/error.h"
#include "vtr/video/frames.h"

#include <gtest/gtest.h>

#include <set>

namespace vtr::video {
namespace {

using Indices = std::vector<int64_t>;

// n frames, so many a second.
Timeline even(int64_t n, double fps = 25) {
  Timeline times{.seconds = {}, .fps = fps};
  for (int64_t i = 0; i < n; ++i) times.seconds.push_back(static_cast<double>(i) / fps);
  return times;
}

TEST(Sampling, UniformTakesTheMiddleOfEachInterval) {
  EXPECT_EQ(sample_indices(even(12), {.frames = 4}), (Indices{1, 4, 7, 10}));
  EXPECT_EQ(sample_indices(even(100), {.frames = 3}), (Indices{16, 50, 83}));
  EXPECT_EQ(sample_indices(even(9), {.frames = 1}), (Indices{4}));
}

TEST(Sampling, UniformEndsTakesTheFirstAndTheLast) {
  EXPECT_EQ(sample_indices(even(13), {.frames = 4, .sampling = "uniform_ends"}),
            (Indices{0, 4, 8, 12}));
  EXPECT_EQ(sample_indices(even(13), {.frames = 1, .sampling = "uniform_ends"}), (Indices{0}));
}

TEST(Sampling, RandomIsAFunctionOfTheSeed) {
  const auto at = [](uint64_t seed) {
    return sample_indices(even(1000), {.frames = 12, .sampling = "random", .seed = seed});
  };
  EXPECT_EQ(at(1), at(1));
  EXPECT_NE(at(1), at(2));
}

TEST(Sampling, RandomReachesEveryFrameOfAnInterval) {
  std::set<int64_t> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    seen.insert(sample_indices(even(10), {.frames = 2, .sampling = "random", .seed = seed})[0]);
  }
  EXPECT_EQ(seen, (std::set<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Sampling, AShortVideoGivesEachFrameOnce) {
  for (const char* rule : {"uniform", "uniform_ends", "xpool", "random", "segments"}) {
    EXPECT_EQ(sample_indices(even(3), {.frames = 12, .sampling = rule}), (Indices{0, 1, 2}))
        << rule;
    EXPECT_EQ(sample_indices(even(1), {.frames = 12, .sampling = rule}), (Indices{0})) << rule;
  }
}

TEST(Sampling, IndicesAscendAndAreInRange) {
  for (const auto& rule : sampling_rules().values) {
    for (int64_t n = 1; n <= 60; ++n) {
      for (int64_t frames = 1; frames <= 40; ++frames) {
        const auto indices = sample_indices(
            even(n), {.frames = frames, .sampling = rule, .seed = uint64_t(n * frames)});
        ASSERT_LE(int64_t(indices.size()), std::min(n, frames)) << rule;
        ASSERT_GE(indices.front(), 0);
        ASSERT_LT(indices.back(), n);
        for (size_t i = 1; i < indices.size(); ++i) ASSERT_LT(indices[i - 1], indices[i]);
      }
    }
  }
}

// numpy: b = linspace(0, n, T + 1).astype(int); (b[:-1] + b[1:] - 1) // 2
TEST(Sampling, XpoolRoundsTheMiddleAsItsAuthorsDid) {
  const auto at = [](int64_t n, int64_t frames) {
    return sample_indices(even(n), {.frames = frames, .sampling = "xpool"});
  };
  EXPECT_EQ(at(100, 3), (Indices{16, 49, 82}));
  EXPECT_EQ(at(250, 12), (Indices{9, 30, 51, 72, 93, 114, 134, 155, 176, 197, 218, 239}));
  EXPECT_EQ(at(30, 12), (Indices{0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28}));
}

TEST(Sampling, FpsTakesWhatIsOnShowAtEachBeat) {
  const Request request{.frames = 100, .sampling = "fps", .fps = 2};
  EXPECT_EQ(sample_indices(even(30, 10), request), (Indices{0, 5, 10, 15, 20, 25}));
  EXPECT_EQ(sample_indices(even(3, 1), request), (Indices{0, 1, 2})) << "each frame once";
  EXPECT_EQ(sample_indices(even(30, 29.97), {.frames = 100, .sampling = "fps", .fps = 15}).size(),
            16u)
      << "the last second is 1.001 s long";
  // Of variable rate: 0, 0.5 and 1 show the first, 1.5 the second, 2 and 2.5 the fourth.
  const Timeline times{.seconds = {0, 1.2, 1.6, 1.9, 2.6, 2.7}, .fps = 4};
  EXPECT_EQ(sample_indices(times, request), (Indices{0, 1, 3}));
}

TEST(Sampling, FpsThinsOutUniformly) {
  EXPECT_EQ(sample_indices(even(100, 10), {.frames = 2, .sampling = "fps", .fps = 1}),
            (Indices{20, 70}));  // of 0, 10, ..., 90
}

TEST(Sampling, Clip4clipCutsTheRateToAnInteger) {
  const auto at = [](int64_t n, double fps, int64_t frames) {
    return sample_indices(even(n, fps), {.frames = frames, .sampling = "clip4clip"});
  };
  EXPECT_EQ(at(100, 29.97, 12), (Indices{0, 29, 58, 87}));
  EXPECT_EQ(at(260, 10, 12), (Indices{0, 20, 40, 60, 90, 110, 130, 150, 180, 200, 220, 250}));
  EXPECT_EQ(at(3, 0.5, 12), (Indices{0, 1, 2})) << "where theirs divides by zero";
}

TEST(Sampling, SegmentsAreTakenAtTheSamePlace) {
  std::set<int64_t> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto at = sample_indices(even(40), {.frames = 4, .sampling = "segments", .seed = seed});
    EXPECT_EQ(at, (Indices{at[0], at[0] + 10, at[0] + 20, at[0] + 30}));
    seen.insert(at[0]);
  }
  EXPECT_EQ(seen.size(), 10u);
}

TEST(Sampling, WhetherTheSeedMattersIsKnown) {
  for (const auto& rule : sampling_rules().values) {
    Request request{.frames = 4, .sampling = rule};
    const auto first = sample_indices(even(1000), request);
    bool differs = false;
    for (request.seed = 1; request.seed < 20; ++request.seed) {
      differs |= sample_indices(even(1000), request) != first;
    }
    EXPECT_EQ(is_random(request), differs) << rule;
  }
  EXPECT_TRUE(is_random({.crop = "random_resized"}));
  EXPECT_TRUE(is_random({.flip = 0.5}));
  EXPECT_TRUE(is_random({.jitter = {.hue = 0.1}}));
}

TEST(Sampling, AnUnknownRuleIsRefused) {
  EXPECT_THROW(sample_indices(even(5), {.frames = 2, .sampling = "sometimes"}), Error);
}

}  // namespace
}  // namespace vtr::video
