#include "vtr/eval/rerank.h"

#include "support/error_of.h"
#include "support/fake_tokenizer.h"
#include "support/goldens.h"
#include "support/tensor_near.h"
#include "support/tiny_retriever.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace vtr::eval {
namespace {

Tensor apply(const std::string& name, const std::string& options, const RerankInput& input) {
  const auto& entry = rerankers().find(name);
  return entry.apply(entry.schema.resolve(YAML::Load(options), "eval.rerank"), input);
}

double at(const Tensor& matrix, int64_t i, int64_t j) { return matrix[i][j].item<double>(); }

TEST(RerankGolden, DualSoftmaxIsTs2Nets) {
  const auto& rows = test::goldens().at("dsl_ts2 S*softmax(S,axis=0)");
  const Tensor sim = torch::tensor({{.5, .45, .3}, {.4, .42, .41}, {.2, .6, .55}}, torch::kDouble);
  const Tensor got = apply("dsl", "{beta: 100}", {sim});
  ASSERT_EQ(rows.size(), 3U);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 3; ++j) EXPECT_NEAR(at(got, i, j), rows[i][j], 2e-6);
  }
}

// Ties of scores that are none would be other figures.
TEST(RerankOptions, ATemperatureWhoseExponentialsWouldBeZeroIsRefused) {
  const Tensor sim = torch::tensor({{.5, .1}, {.2, .6}}, torch::kDouble);
  for (const std::string name : {"dsl", "qb_norm"}) {
    apply(name, "{beta: 1400}", {sim, sim});
    test::expect_error(
        [&] {
          apply(name, "{beta: 1401}", {sim, sim});
        },
        "beta: 1401 is too large for scores that differ by 0.5");
  }
}

class QbNorm : public testing::Test {
 protected:
  QbNorm() {
    torch::manual_seed(1);
    sim = torch::rand({7, 9}, torch::kDouble) + torch::eye(7, 9, torch::kDouble);
    bank = torch::rand({4, 9}, torch::kDouble);
    bank.slice(1, 0, 3) += 1;
  }
  double inverted(int64_t i, int64_t j, double beta) const {
    double mass = 0;
    for (int64_t b = 0; b < 4; ++b) mass += std::exp(beta * at(bank, b, j));
    return std::exp(beta * at(sim, i, j)) / mass;
  }
  Tensor sim;   // query i finds candidate i
  Tensor bank;  // finds candidates 0 to 2 only
};

TEST_F(QbNorm, StaticInvertsEveryQuery) {
  const Tensor got = apply("qb_norm", "{dynamic: false, beta: 5}", {sim, bank});
  for (int64_t i = 0; i < 7; ++i) {
    for (int64_t j = 0; j < 9; ++j) EXPECT_NEAR(at(got, i, j), inverted(i, j, 5), 1e-12);
  }
}

TEST_F(QbNorm, DynamicLeavesQueriesWhoseBestTheBankDoesNotFind) {
  for (const int64_t topk : {1, 2}) {
    std::set<int64_t> active;
    for (int64_t b = 0; b < 4; ++b) {
      const Tensor order = bank[b].argsort(0, /*descending=*/true);
      for (int64_t k = 0; k < topk; ++k) active.insert(order[k].item<int64_t>());
    }
    const Tensor got = apply("qb_norm", fmt::format("{{topk: {}}}", topk), {sim, bank});
    int64_t changed = 0;
    for (int64_t i = 0; i < 7; ++i) {
      const bool concerned = active.contains(sim[i].argmax().item<int64_t>());
      changed += concerned;
      for (int64_t j = 0; j < 9; ++j) {
        const double want = concerned ? inverted(i, j, 20) : at(sim, i, j);
        EXPECT_NEAR(at(got, i, j), want, 1e-12 * want);
      }
    }
    EXPECT_GT(changed, 0);
    EXPECT_LT(changed, 7) << "the case shows both";
  }
}

TEST(Sinkhorn, GivesEveryQueryAndEveryCandidateItsMass) {
  torch::manual_seed(2);
  const Tensor sim = torch::rand({6, 4}, torch::kDouble);
  const Tensor plan = apply("sinkhorn", "{beta: 3, iterations: 200}", {sim}).exp();
  EXPECT_TRUE(test::tensor_near(plan.sum(0), torch::full({4}, 1 / 4.0, torch::kDouble), 1e-9));
  EXPECT_TRUE(test::tensor_near(plan.sum(1), torch::full({6}, 1 / 6.0, torch::kDouble), 1e-9));
}

TEST(Hungarian, IsTheBestOfAllMatchings) {
  torch::manual_seed(3);
  for (int64_t n = 1; n <= 6; ++n) {
    const Tensor sim = torch::randn({n, n}, torch::kDouble);
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), int64_t{0});
    double best = -1e9;
    do {
      double total = 0;
      for (int64_t i = 0; i < n; ++i) total += at(sim, i, order[static_cast<size_t>(i)]);
      best = std::max(best, total);
    } while (std::ranges::next_permutation(order).found);
    const Tensor got = apply("hungarian", "{}", {sim});
    const Tensor match = got.argmax(1);
    EXPECT_NEAR(sim.gather(1, match.unsqueeze(1)).sum().item<double>(), best, 1e-12);
    EXPECT_EQ(std::get<0>(at::_unique(match)).size(0), n) << "one to one";
    // Behind the match all stand as they did.
    const Tensor rest = got.scatter(1, match.unsqueeze(1), 0.0);
    EXPECT_TRUE(rest.equal(sim.scatter(1, match.unsqueeze(1), 0.0)));
  }
}

TEST(Hungarian, NeedsAsManyQueriesAsCandidates) {
  test::expect_error(
      [] {
        apply("hungarian", "{}", {torch::zeros({3, 2}, torch::kDouble)});
      },
      "3 queries for 2 candidates");
}

// A model with a learned temperature, and splits that are scores and nothing else.
class Rerank : public testing::Test {
 protected:
  static Evaluation split(const std::string& id, const Tensor& sim) {
    Evaluation result;
    result.sim = sim;
    for (int64_t i = 0; i < sim.size(0); ++i) {
      result.target.push_back(i);
      result.readable.videos.push_back({fmt::format("{}{}", id, i), "", {"a caption"}});
    }
    result.readable.name = id;
    return result;
  }
  Reranked run(const std::string& name, const std::string& options) {
    const auto& entry = rerankers().find(name);
    asked = {name, entry.schema.resolve(YAML::Load(options), "eval.rerank")};
    return rerank(asked, encoding, tested,
                  {[](int64_t) { return SplitStates(); },
                   [&] {
                     ++validated;
                     return validation;
                   }},
                  /*workspace_mb=*/16);
  }

  std::shared_ptr<models::Retriever> model =
      test::tiny_retriever({"mean_pool", {}}, test::tiny_clip_options());
  test::FakeTokenizer tokenizer;
  Encoding encoding{.model = *model,
                    .tokenizer = tokenizer,
                    .loader = {},
                    .encoder_choice = {},
                    .tokenizer_choice = {}};
  // One video draws both texts; with a sharp enough softmax over the texts each finds its own.
  Tensor drawn = torch::tensor({{.50F, .40F}, {.49F, .42F}});
  Evaluation tested = split("test", drawn);
  std::optional<Evaluation> validation = split("val", drawn);
  config::Choice asked;
  int validated = 0;
};

TEST_F(Rerank, NoneIsTheScoresBothWays) {
  const auto same = run("none", "{}");
  EXPECT_TRUE(same.t2v.equal(drawn.to(torch::kDouble)));
  EXPECT_TRUE(same.v2t.equal(drawn.t().to(torch::kDouble)));
}

TEST_F(Rerank, TheTemperatureIsTheModelsWhereNoneIsGiven) {
  const double own = model->encoders().logit_scale().exp().item<double>();
  const auto got = run("dsl", "{}");
  EXPECT_EQ(got.choice.options["beta"].as<double>(), own);
  EXPECT_EQ(asked.options["beta"].as<double>(), 0) << "what was asked for stays so";
  EXPECT_TRUE(got.t2v.equal(
      apply("dsl", fmt::format("{{beta: {:.17g}}}", own), {drawn.to(torch::kDouble)})));
  EXPECT_EQ(validated, 0) << "nothing is looked at that need not be";
}

TEST_F(Rerank, TheTemperatureIsChosenOnTheValidationSplit) {
  const auto got = run("dsl", "{choose: [1, 100, 200]}");
  EXPECT_EQ(got.choice.options["beta"].as<double>(), 100) << "of equal ones the first";
  EXPECT_EQ(validated, 1);
  EXPECT_EQ(summarize(ranks_t2v(got.t2v, torch::arange(2))).r1, 100);
  EXPECT_EQ(summarize(ranks_t2v(drawn, torch::arange(2))).r1, 50);

  const auto fewer = run("dsl", "{choose: [100000, 100]}");
  EXPECT_EQ(fewer.choice.options["beta"].as<double>(), 100) << "one that is too large is left out";

  // All temperatures are as good for this one, so it is the first, which the test split is not for.
  validation = split("val", torch::eye(2));
  const auto other = run("dsl", "{choose: [1, 100, 200]}");
  EXPECT_EQ(other.choice.options["beta"].as<double>(), 1);
  EXPECT_EQ(summarize(ranks_t2v(other.t2v, torch::arange(2))).r1, 50);
}

TEST_F(Rerank, NothingIsChosenOnTheTestSplitOrOnNone) {
  validation = split("test", drawn);
  test::expect_error([&] { run("dsl", "{choose: [1]}"); },
                     "the validation split is the test split");
  validation.reset();
  test::expect_error([&] { run("dsl", "{choose: [1]}"); }, "there is no validation split");
  test::expect_error([&] { run("dsl", "{choose: [hot]}"); }, "'hot' is no number");
  test::expect_error([&] { run("dsl", "{choose: [1], beta: 50}"); }, "leave one of them out");
}

}  // namespace
}  // namespace vtr::eval
