#include "vtr/eval/metrics.h"

#include "support/goldens.h"

#include "vtr/core/error.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <limits>

namespace vtr::eval {
namespace {

TEST(Metrics, AreThoseOfARankListWrittenByHand) {
  const Metrics m = summarize({1, 3, 7, 60});
  EXPECT_EQ(m.queries, 4);
  EXPECT_DOUBLE_EQ(m.r1, 25);
  EXPECT_DOUBLE_EQ(m.r5, 50);
  EXPECT_DOUBLE_EQ(m.r10, 75);
  EXPECT_DOUBLE_EQ(m.r50, 75);
  EXPECT_DOUBLE_EQ(m.mdr, 5);
  EXPECT_DOUBLE_EQ(m.mnr, 17.75);
}

TEST(Metrics, ATieSharesThePlacesItTakes) {
  // The matrix on which a widely copied implementation reports seven queries for three.
  const Tensor sim = torch::tensor({{.5, .5, .1}, {.2, .2, .2}, {.1, .3, .3}});
  EXPECT_EQ(ranks_t2v(sim, torch::arange(3)), (std::vector<double>{1.5, 2, 1.5}));
  const Tensor flat = torch::zeros({5, 5});
  EXPECT_EQ(summarize(ranks_t2v(flat, torch::arange(5))).mnr, 3);
  EXPECT_EQ(summarize(ranks_t2v(flat, torch::arange(5))).r1, 0);
}

TEST(Metrics, RanksEqualASortOnRandomScores) {
  torch::manual_seed(2);
  const Tensor sim = torch::rand({40, 17}), target = torch::randint(17, {40}, torch::kLong);
  const auto ranks = ranks_t2v(sim, target);
  for (int64_t i = 0; i < 40; ++i) {
    const Tensor order = sim[i].argsort(0, /*descending=*/true);
    const auto place = (order == target[i]).nonzero().item<int64_t>();
    EXPECT_EQ(ranks[static_cast<size_t>(i)], static_cast<double>(place + 1));
  }
}

TEST(Metrics, VideoToTextIsTheTransposeForOneCaptionEach) {
  torch::manual_seed(3);
  const Tensor sim = torch::rand({12, 12});
  EXPECT_EQ(ranks_v2t(sim, torch::arange(12)), ranks_t2v(sim.t(), torch::arange(12)));
}

TEST(Metrics, AVideoStandsForItsBestCaption) {
  // Captions 0 and 1 are video 0's, caption 2 is video 1's.
  const Tensor sim = torch::tensor({{.1, .9}, {.8, .2}, {.7, .6}});
  const Tensor target = torch::tensor({0, 0, 1}, torch::kLong);
  // From video 0: its best is .8, video 1's .7. From video 1: its own .6, video 0's .9.
  EXPECT_EQ(ranks_v2t(sim, target), (std::vector<double>{1, 2}));
}

TEST(MetricsGolden, TiesInTheOrderOfTheColumnsAreXPools) {
  const auto& expected = test::goldens().at("metric_ties_xpool");
  const Metrics m =
      summarize(ranks_t2v(test::golden("metric_ties_input"), torch::arange(3), Ties::by_index));
  EXPECT_DOUBLE_EQ(m.r1, expected.at("R1"));
  EXPECT_DOUBLE_EQ(m.mdr, expected.at("MedR"));
  EXPECT_DOUBLE_EQ(m.mnr, expected.at("MeanR"));
}

TEST(MetricsGolden, CaptionsOfOneVideoAreQueriesEach) {
  // "multi_caption_input_[V,C,V]": three videos, two captions each, of which video 1 lacks one.
  const double none = -std::numeric_limits<double>::infinity();
  const Tensor padded = torch::tensor(
      {{.9, .1, .2}, {.3, .4, .1}, {.1, .5, .4}, {none, none, none}, {.2, .3, .25}, {.6, .1, .7}});
  const Tensor real = padded.isfinite().all(1).nonzero().flatten();
  const auto ranks = ranks_t2v(padded.index_select(0, real), real.floor_divide(2));
  const Metrics m = summarize(ranks);
  const auto& expected = test::goldens().at("multi_caption_t2v");
  EXPECT_DOUBLE_EQ(m.r1, expected.at("R1"));
  EXPECT_DOUBLE_EQ(m.r5, expected.at("R5"));
  EXPECT_DOUBLE_EQ(m.mdr, expected.at("MedianR"));
  EXPECT_DOUBLE_EQ(m.mnr, expected.at("MeanR"));
  EXPECT_DOUBLE_EQ(torch::tensor(ranks, torch::kDouble).std(/*unbiased=*/false).item<double>(),
                   expected.at("Std_Rank"));
}

TEST(Metrics, NanIsRefused) {
  Tensor sim = torch::zeros({2, 2});
  sim[0][1] = NAN;
  EXPECT_THROW(ranks_t2v(sim, torch::arange(2)), Error);
  EXPECT_THROW(summarize({}), Error);
}

}  // namespace
}  // namespace vtr::eval
