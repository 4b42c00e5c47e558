// The text-conditioned attention heads against X-Pool's outputs (support/goldens.h) and against a
// restatement of their formulas, pair by pair (scripts/head_fixtures/attention.py).
#include "support/goldens.h"
#include "support/head_fixture.h"

#include "vtr/models/head.h"

#include <gtest/gtest.h>

namespace vtr::models {
namespace {

std::shared_ptr<Head> head_of(const std::string& name, const std::string& options,
                              const HeadContext& context) {
  auto head = make_head({name, YAML::Load(options)}, context);
  head->eval();
  return head;
}

struct Case {
  std::string name, head, options, weights;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class HeadsAttentionParity : public testing::TestWithParam<Case> {};

TEST_P(HeadsAttentionParity, ScoresAndGradientsAreThoseOfTheFormulas) {
  const auto head = head_of(GetParam().head, GetParam().options, {.width = 8, .frames = 4});
  test::HeadFixture("heads_attention").expect_sim(*head, GetParam().name, GetParam().weights);
}

// Every encoding by index, at 1 and 2 attention heads, of all frames and of 2, and by timestamp.
std::vector<Case> cases() {
  std::vector<Case> all{{"xpool_h1", "xpool", "{heads: 1}", "none"},
                        {"xpool_h2", "xpool", "{heads: 2}", "none"}};
  for (const std::string head : {"cross", "joint"}) {
    for (const std::string kind : {"none", "learned", "sinusoidal", "rotary", "relative"}) {
      const auto add = [&](const std::string& suffix, int heads, int topk, double unit) {
        all.push_back({fmt::format("{}_{}_{}", head, kind, suffix), head,
                       fmt::format("{{temporal: {}, heads: {}, topk: {}, time_unit: {}}}", kind,
                                   heads, topk, unit),
                       kind == "relative" ? fmt::format("relative_h{}", heads) : kind});
      };
      for (const int heads : {1, 2}) {
        for (const int topk : {0, 2}) add(fmt::format("h{}_k{}", heads, topk), heads, topk, 0);
      }
      if (kind != "none") add("times", /*heads=*/2, /*topk=*/0, /*unit=*/0.5);
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Grid, HeadsAttentionParity, testing::ValuesIn(cases()),
                         [](const auto& c) { return c.param.name; });

struct Golden {
  std::string name;
  int64_t heads;
  bool plus_formula = false;
};

std::ostream& operator<<(std::ostream& out, const Golden& g) { return out << g.name; }

class XPoolGolden : public testing::TestWithParam<Golden> {};

TEST_P(XPoolGolden, IsReproducedEveryWayOfScoring) {
  const torch::NoGradGuard no_grad;
  const auto& [name, attention_heads, plus_formula] = GetParam();
  const auto head =
      head_of("xpool", fmt::format("{{heads: {}}}", attention_heads), {.width = 512, .frames = 12});
  for (const auto& p : head->named_parameters()) {
    if (plus_formula && p.value().dim() == 2) p.value().add_(test::golden_wave(p.value(), p.key()));
  }
  const TextState text = head->text({test::golden_texts(3, 512), {}, {}});
  const VideoState video =
      head->video({test::golden_frames(3, 12, 512), {}, torch::ones({3, 12}, torch::kBool)});
  const struct {
    const char* name;
    Scoring scoring;
  } ways[] = {
      {"direct", Scoring::direct}, {"naive", Scoring::naive}, {"factored", Scoring::factored}};
  for (const auto& [way, scoring] : ways) {
    SCOPED_TRACE(way);
    EXPECT_TRUE(test::tensor_near(score_blocked(*head, text, video, {.scoring = scoring}),
                                  test::golden(name), 2e-6));
  }
}

INSTANTIATE_TEST_SUITE_P(All, XPoolGolden,
                         testing::Values(Golden{"xpool_identity_h1_sims", 1},
                                         Golden{"xpool_identity_plus_formula_h1_sims", 1,
                                                /*plus_formula=*/true},
                                         Golden{"xpool_identity_h8_sims", 8}),
                         [](const auto& g) { return g.param.name; });

}  // namespace
}  // namespace vtr::models
