#include "vtr/eval/bootstrap.h"

#include "support/error_of.h"

#include "vtr/core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace vtr::eval {
namespace {

Ranks ranks_of(std::vector<double> rank) {
  Ranks ranks{std::move(rank), {}};
  ranks.query.resize(ranks.rank.size());
  std::iota(ranks.query.begin(), ranks.query.end(), int64_t{0});
  return ranks;
}

Ranks drawn_ranks(size_t queries, uint64_t seed, uint64_t worst) {
  Rng rng(seed);
  std::vector<double> rank(queries);
  for (auto& r : rank) r = static_cast<double>(1 + rng.below(worst));
  return ranks_of(rank);
}

TEST(Bootstrap, AQueryThatCountsTwiceIsTwoQueries) {
  const Ranks once = drawn_ranks(30, 1, 70);
  Rng rng(2);
  std::vector<int64_t> counts;
  std::vector<double> written_out;
  for (const double rank : once.rank) {
    counts.push_back(static_cast<int64_t>(rng.below(4)));
    written_out.insert(written_out.end(), static_cast<size_t>(counts.back()), rank);
  }
  const Metrics a = summarize_sorted(sorted(once), counts), b = summarize(ranks_of(written_out));
  EXPECT_EQ(a.queries, b.queries);
  for (const auto& [name, field] : kMetrics) EXPECT_DOUBLE_EQ(a.*field, b.*field) << name;
}

TEST(Bootstrap, OfAShareIsTheBinomialsInterval) {
  std::vector<double> rank(400, 100);
  std::fill_n(rank.begin(), 200, 1);
  const Interval i = bootstrap(ranks_of(rank), {.resamples = 4000, .seed = 3});
  const double half = 1.96 * 100 * std::sqrt(0.25 / 400);
  EXPECT_NEAR(i.low.r1, 50 - half, 0.5);  // its own noise: about 0.15
  EXPECT_NEAR(i.high.r1, 50 + half, 0.5);
  EXPECT_NEAR(i.low.mnr, 50.5 - 0.99 * half, 0.5);
}

TEST(Bootstrap, IsAFunctionOfTheSeed) {
  const Ranks ranks = drawn_ranks(50, 1, 20);
  const auto low = [&](uint64_t seed) { return bootstrap(ranks, {100, seed}).low.mnr; };
  EXPECT_EQ(low(1), low(1));
  EXPECT_NE(low(1), low(2));
}

TEST(Bootstrap, OneQueryHasNoSpread) {
  const Interval i = bootstrap(ranks_of({7}), {});
  for (const auto& [name, field] : kMetrics) EXPECT_EQ(i.low.*field, i.high.*field) << name;
  EXPECT_EQ(i.low.mnr, 7);
}

TEST(Bootstrap, DrawsQueriesNotThePlacesOfTheirTies) {
  // Two queries, one of which `legacy` counts three times: drawn twice, it is all there is.
  const Ranks legacy{{1, 1, 2, 3}, {0, 1, 1, 1}};
  const Interval i = bootstrap(legacy, {.resamples = 200, .seed = 1});
  EXPECT_DOUBLE_EQ(i.high.mnr, 2);
  EXPECT_DOUBLE_EQ(i.low.mnr, 1);
}

TEST(PairedBootstrap, OfEqualRanksFindsNothing) {
  const Ranks ranks = drawn_ranks(40, 1, 9);
  for (const auto& d : paired_bootstrap(ranks, ranks, {})) {
    EXPECT_EQ(d.value(), 0) << d.metric;
    EXPECT_EQ(d.low, 0);
    EXPECT_EQ(d.high, 0);
    EXPECT_EQ(d.p, 1);
  }
}

TEST(PairedBootstrap, SeesWhatUnpairedIntervalsWouldNot) {
  // Each query one place better: small against the spread of the ranks, certain in pairs.
  const Ranks a = drawn_ranks(200, 1, 400);
  Ranks b = a;
  for (auto& r : b.rank) r = std::max(1.0, r - 1);
  const auto differences = paired_bootstrap(a, b, {});
  const auto& mnr = differences.back();
  EXPECT_EQ(mnr.metric, "MnR");
  EXPECT_NEAR(mnr.value(), -1, 0.02);
  EXPECT_LT(mnr.high, -0.9);
  EXPECT_DOUBLE_EQ(mnr.p, 2.0 / 1001);  // never the other way in 1,000 resamples
  EXPECT_LT(bootstrap(b, {}).low.mnr, mnr.a);
  EXPECT_GT(bootstrap(b, {}).high.mnr, mnr.a);
}

TEST(PairedBootstrap, RefusesOtherQueries) {
  test::expect_error(
      [] {
        paired_bootstrap(ranks_of({1, 2}), ranks_of({1, 2, 3}), {});
      },
      "different queries");
  test::expect_error([] { sign_test({1}, {1, 2}); }, "different queries");
}

TEST(SignTest, IsTheBinomialTail) {
  std::vector<double> a(12, 5), b(12, 5);
  for (size_t i = 0; i < 8; ++i) b[i] = 1;
  b[8] = b[9] = 9;
  const SignTest test = sign_test(a, b);
  EXPECT_EQ(test.better, 8);
  EXPECT_EQ(test.worse, 2);
  EXPECT_EQ(test.equal, 2);
  EXPECT_NEAR(test.p, 2 * (1 + 10 + 45) / 1024.0, 1e-12);
  EXPECT_EQ(sign_test(a, a).p, 1);
}

}  // namespace
}  // namespace vtr::eval
