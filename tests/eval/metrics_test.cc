#include "vtr/eval/metrics.h"

#include "support/error_of.h"
#include "support/goldens.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace vtr::eval {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();
const std::vector<Ties> kAllTies = {Ties::average, Ties::optimistic, Ties::pessimistic,
                                    Ties::by_index, Ties::legacy};

Ranks ranks_of(std::vector<double> rank) {
  Ranks ranks{std::move(rank), {}};
  ranks.query.resize(ranks.rank.size());
  std::iota(ranks.query.begin(), ranks.query.end(), int64_t{0});
  return ranks;
}

// Every place at which a sort of the row may put the query's own column.
std::vector<double> places(const Tensor& row, int64_t own) {
  const double score = row[own].item<double>();
  int64_t better = 0, equal = 0;
  for (int64_t j = 0; j < row.size(0); ++j) {
    better += row[j].item<double>() > score;
    equal += row[j].item<double>() == score;
  }
  std::vector<double> result(static_cast<size_t>(equal));
  std::iota(result.begin(), result.end(), static_cast<double>(better + 1));
  return result;
}

std::vector<double> naive(const Tensor& sim, const Tensor& target, Ties ties) {
  std::vector<double> ranks;
  for (int64_t i = 0; i < sim.size(0); ++i) {
    const auto own = target[i].item<int64_t>();
    const auto all = places(sim[i], own);
    int64_t before = 0;
    for (int64_t j = 0; j < own; ++j) before += sim[i][j].equal(sim[i][own]);
    if (ties == Ties::legacy) {
      ranks.insert(ranks.end(), all.begin(), all.end());
    } else if (ties == Ties::average) {
      ranks.push_back((all.front() + all.back()) / 2);
    } else {
      ranks.push_back(ties == Ties::optimistic    ? all.front()
                      : ties == Ties::pessimistic ? all.back()
                                                  : all[static_cast<size_t>(before)]);
    }
  }
  return ranks;
}

// Scores of few values: every row has ties.
Tensor tied_scores(int64_t n, int64_t m) { return torch::randint(0, 4, {n, m}, torch::kFloat) / 4; }

TEST(Metrics, AreThoseOfARankListWrittenByHand) {
  const Metrics m = summarize(ranks_of({1, 3, 7, 60}));
  EXPECT_EQ(m.queries, 4);
  EXPECT_DOUBLE_EQ(m.r1, 25);
  EXPECT_DOUBLE_EQ(m.r5, 50);
  EXPECT_DOUBLE_EQ(m.r10, 75);
  EXPECT_DOUBLE_EQ(m.r50, 75);
  EXPECT_DOUBLE_EQ(m.mdr, 5);
  EXPECT_DOUBLE_EQ(m.mnr, 17.75);
  EXPECT_DOUBLE_EQ(summarize(ranks_of({4, 1, 2})).mdr, 2);
}

TEST(Metrics, ATieSharesThePlacesItTakes) {
  // The matrix on which a widely copied implementation reports seven queries for three.
  const Tensor sim = torch::tensor({{.5, .5, .1}, {.2, .2, .2}, {.1, .3, .3}});
  EXPECT_EQ(ranks_t2v(sim, torch::arange(3)).rank, (std::vector<double>{1.5, 2, 1.5}));
  const Tensor flat = torch::zeros({5, 5});
  EXPECT_EQ(summarize(ranks_t2v(flat, torch::arange(5))).mnr, 3);
  EXPECT_EQ(summarize(ranks_t2v(flat, torch::arange(5))).r1, 0);
}

TEST(Metrics, EveryTiePolicyEqualsCountingByHand) {
  torch::manual_seed(2);
  for (const Ties ties : kAllTies) {
    const Tensor sim = tied_scores(14, 14), target = torch::arange(14);
    EXPECT_EQ(ranks_t2v(sim, target, ties).rank, naive(sim, target, ties));
    EXPECT_EQ(ranks_v2t(sim, target, ties).rank, naive(sim.t(), target, ties));
  }
}

TEST(Metrics, RanksEqualASortOnRandomScores) {
  torch::manual_seed(2);
  const Tensor sim = torch::rand({40, 17}), target = torch::randint(17, {40}, torch::kLong);
  const auto ranks = ranks_t2v(sim, target).rank;
  for (int64_t i = 0; i < 40; ++i) {
    const Tensor order = sim[i].argsort(0, /*descending=*/true);
    const auto place = (order == target[i]).nonzero().item<int64_t>();
    EXPECT_EQ(ranks[static_cast<size_t>(i)], static_cast<double>(place + 1));
  }
}

TEST(Metrics, DoNotDependOnTheOrderOfTextsAndVideos) {
  torch::manual_seed(4);
  for (const Ties ties : {Ties::average, Ties::optimistic, Ties::pessimistic, Ties::legacy}) {
    const Tensor sim = tied_scores(11, 11), target = torch::arange(11);
    const Tensor order = torch::randperm(11);
    const Tensor moved = sim.index_select(0, order).index_select(1, order);
    for (const auto ranks : {ranks_t2v, ranks_v2t}) {
      const auto before = ranks(sim, target, ties), after = ranks(moved, target, ties);
      EXPECT_EQ(sorted(before).rank, sorted(after).rank);
    }
  }
}

TEST(Metrics, VideoToTextIsTheTransposeForOneCaptionEach) {
  torch::manual_seed(3);
  for (const Ties ties : kAllTies) {
    const Tensor sim = tied_scores(12, 12), target = torch::arange(12);
    EXPECT_EQ(ranks_v2t(sim, target, ties).rank, ranks_t2v(sim.t(), target, ties).rank);
  }
}

TEST(Metrics, AVideoTwiceInTheGalleryCostsHalfAPlace) {
  torch::manual_seed(5);
  const Tensor sim = torch::rand({6, 6}), target = torch::arange(6);
  const Tensor twice = torch::cat({sim, sim.slice(1, 2, 3)}, 1);  // video 2 again, at the end
  const auto before = ranks_t2v(sim, target).rank, after = ranks_t2v(twice, target).rank;
  EXPECT_EQ(after[2], before[2] + 0.5);
  EXPECT_EQ(ranks_t2v(twice, target, Ties::optimistic).rank[2], before[2]);
  EXPECT_EQ(ranks_t2v(twice, target, Ties::pessimistic).rank[2], before[2] + 1);
}

TEST(Metrics, OneQueryIsAllThereIs) {
  const Tensor sim = torch::tensor({{.2, .9, .4}});
  for (const Ties ties : kAllTies) {
    const Metrics m = summarize(ranks_t2v(sim, torch::tensor({2}), ties));
    EXPECT_EQ(m.queries, 1);
    EXPECT_EQ(m.r1, 0);
    EXPECT_EQ(m.r5, 100);
    EXPECT_EQ(m.mdr, 2);
    EXPECT_EQ(m.mnr, 2);
  }
}

TEST(Metrics, AVideoStandsForItsBestCaption) {
  // Captions 0 and 1 are video 0's, caption 2 is video 1's.
  const Tensor sim = torch::tensor({{.1, .9}, {.8, .2}, {.7, .6}});
  const Tensor target = torch::tensor({0, 0, 1}, torch::kLong);
  // From video 0: its best is .8, video 1's .7. From video 1: its own .6, video 0's .9.
  EXPECT_EQ(ranks_v2t(sim, target).rank, (std::vector<double>{1, 2}));
}

// With ties, and in whatever order the captions stand.
TEST(Metrics, TheBestCaptionEqualsCountingByHand) {
  torch::manual_seed(6);
  for (const Ties ties : {Ties::average, Ties::optimistic, Ties::pessimistic, Ties::by_index}) {
    const Tensor sim = tied_scores(23, 7);
    const Tensor target = torch::cat({torch::arange(7), torch::randint(7, {16}, torch::kLong)});
    Tensor best = torch::full({7, 7}, kNone);  // [video asked with, video found]
    for (int64_t text = 0; text < 23; ++text) {
      const Tensor own = best.select(1, target[text].item<int64_t>());
      own.copy_(torch::maximum(own, sim[text]));
    }
    EXPECT_EQ(ranks_v2t(sim, target, ties).rank, naive(best, torch::arange(7), ties));
    if (ties == Ties::by_index) continue;
    const Tensor order = torch::randperm(23);
    const auto moved = sim.index_select(0, order), place = target.index_select(0, order);
    EXPECT_EQ(ranks_v2t(moved, place, ties).rank, ranks_v2t(sim, target, ties).rank);
    EXPECT_EQ(sorted(ranks_t2v(moved, place, ties)).rank,
              sorted(ranks_t2v(sim, target, ties)).rank);
  }
}

TEST(Metrics, ARowOfMinusInfinityIsPaddingAndNoQuery) {
  const Tensor sim = torch::tensor({{.1, .9}, {kNone, kNone}, {.7, .6}, {.3, .2}});
  const Tensor target = torch::tensor({0, 0, 1, 1});
  const Ranks ranks = ranks_t2v(sim, target);
  EXPECT_EQ(ranks.rank, (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(ranks.query, (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(summarize(ranks).queries, 3);
  EXPECT_EQ(ranks_v2t(sim, target).rank, (std::vector<double>{2, 2}));
  test::expect_error([&] { ranks_v2t(sim, torch::tensor({1, 0, 1, 1})); }, "video 0 has no text");
}

TEST(MetricsGolden, TiesInTheOrderOfTheColumnsAreXPools) {
  const auto& expected = test::goldens().at("metric_ties_xpool");
  const Metrics m =
      summarize(ranks_t2v(test::golden("metric_ties_input"), torch::arange(3), Ties::by_index));
  EXPECT_DOUBLE_EQ(m.r1, expected.at("R1"));
  EXPECT_DOUBLE_EQ(m.mdr, expected.at("MedR"));
  EXPECT_DOUBLE_EQ(m.mnr, expected.at("MeanR"));
}

// The authors' own program on that matrix: 42.86, 2 and 1.714, over seven "queries".
TEST(MetricsGolden, LegacyIsClip4Clips) {
  const Ranks ranks = ranks_t2v(test::golden("metric_ties_input"), torch::arange(3), Ties::legacy);
  EXPECT_EQ(ranks.rank, (std::vector<double>{1, 2, 1, 2, 3, 1, 2}));
  EXPECT_EQ(ranks.query, (std::vector<int64_t>{0, 0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(ranks.per_query(), (std::vector<double>{1.5, 2, 1.5}));
  const Metrics m = summarize(ranks);
  EXPECT_EQ(m.queries, 3);
  EXPECT_NEAR(m.r1, 42.86, 0.005);
  EXPECT_EQ(m.mdr, 2);
  EXPECT_NEAR(m.mnr, 1.714, 0.0005);
}

// "multi_caption_input_[V,C,V]": three videos, two captions each, of which video 1 lacks one.
TEST(MetricsGolden, CaptionsOfOneVideoAreQueriesEach) {
  const Tensor padded = torch::tensor({{.9, .1, .2},
                                       {.3, .4, .1},
                                       {.1, .5, .4},
                                       {kNone, kNone, kNone},
                                       {.2, .3, .25},
                                       {.6, .1, .7}});
  const Tensor target = torch::arange(6).floor_divide(2);
  const auto& expected = test::goldens().at("multi_caption_t2v");
  for (const Ties ties : kAllTies) {
    const Ranks ranks = ranks_t2v(padded, target, ties);
    const Metrics m = summarize(ranks);
    EXPECT_DOUBLE_EQ(m.r1, expected.at("R1"));
    EXPECT_DOUBLE_EQ(m.r5, expected.at("R5"));
    EXPECT_DOUBLE_EQ(m.mdr, expected.at("MedianR"));
    EXPECT_DOUBLE_EQ(m.mnr, expected.at("MeanR"));
    EXPECT_DOUBLE_EQ(
        torch::tensor(ranks.rank, torch::kDouble).std(/*unbiased=*/false).item<double>(),
        expected.at("Std_Rank"));
  }
}

TEST(Metrics, LegacyTakesTheLowerMedianOfSeveralCaptions) {
  const Tensor sim = torch::tensor({{.9, .1}, {.1, .9}, {.1, .9}, {.9, .1}});
  const Tensor target = torch::tensor({0, 0, 1, 1});
  EXPECT_EQ(summarize(ranks_t2v(sim, target, Ties::average)).mdr, 1.5);
  EXPECT_EQ(summarize(ranks_t2v(sim, target, Ties::legacy)).mdr, 1);
}

TEST(Metrics, WhatIsNoScoreIsRefusedWithItsPair) {
  Tensor sim = torch::zeros({2, 3});
  sim[1][2] = NAN;
  test::expect_error([&] { ranks_t2v(sim, torch::arange(2)); },
                     "the score of text 1 and video 2 is nan");
  sim[1][2] = kNone;  // in a row that is no padding
  test::expect_error([&] { ranks_v2t(sim, torch::arange(2)); },
                     "the score of text 1 and video 2 is -inf");
  test::expect_error([] { summarize({}); }, "no query");
  test::expect_error([] { ties_named("kind"); }, "eval.ties: 'kind'");
}

}  // namespace
}  // namespace vtr::eval
