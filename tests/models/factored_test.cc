#include "temporal/temporal.h"

#include "vtr/models/head.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

struct Case {
  std::string head, temporal;
  int64_t texts, videos, frames, width, heads, topk;
  bool short_videos;
  double time_unit = 0;
};

std::shared_ptr<Head> far_from_identity(const Case& c) {
  config::Node node(YAML::NodeType::Map);
  node["heads"] = c.heads;
  if (c.head != "xpool") {
    node["temporal"] = c.temporal;
    node["time_unit"] = c.time_unit;
    node["topk"] = c.topk;
  }
  auto head = make_head({c.head, node}, {.width = c.width, .frames = c.frames});
  const torch::NoGradGuard no_grad;
  // Matrices get noise of a norm near their own, vectors of a quarter of theirs.
  for (auto& p : head->parameters()) {
    const double scale = p.dim() < 2 ? 0.25 : 0.7 / std::sqrt(static_cast<double>(p.size(-1)));
    p.add_(scale * torch::randn_like(p));
  }
  head->eval();
  return head;
}

struct States {
  TextState text;
  VideoState video;
};

States random_states(Head& head, const Case& c) {
  const torch::NoGradGuard no_grad;
  const Tensor lengths = c.short_videos
                             ? torch::randint(1, c.frames + 1, {c.videos, 1}, torch::kLong)
                             : torch::full({c.videos, 1}, c.frames, torch::kLong);
  const Tensor mask = torch::arange(c.frames).unsqueeze(0) < lengths;
  return {head.text({torch::randn({c.texts, c.width}), {}, {}}),
          head.video({torch::randn({c.videos, c.frames, c.width}),
                      {},
                      mask,
                      torch::rand({c.videos, c.frames}).cumsum(1)})};
}

double largest_difference(const Case& c) {
  const auto head = far_from_identity(c);
  const auto [text, video] = random_states(*head, c);
  const Tensor naive = score_blocked(*head, text, video, {.scoring = Scoring::naive});
  const Tensor fast = score_blocked(*head, text, video, {.scoring = Scoring::factored});
  const Tensor direct = score_blocked(*head, text, video, {.scoring = Scoring::direct});
  EXPECT_TRUE(fast.isfinite().all().item<bool>());
  EXPECT_LE((direct - naive).abs().max().item<double>(), 2e-6);
  return (fast - naive).abs().max().item<double>();
}

class Factoring : public testing::TestWithParam<Case> {};

// Both are float32; the bound is the one promised for D = 512.
TEST_P(Factoring, GivesTheNaiveScores) {
  torch::manual_seed(7);
  EXPECT_LE(largest_difference(GetParam()), 2e-6);
}

std::vector<Case> odd_sizes() {
  std::vector<Case> cases;
  for (const std::string head : {"cross", "joint"}) {
    for (const auto& temporal : temporal_encodings().names()) {
      cases.push_back({head, temporal, 20, 18, 6, 32, 4, 3, true});
      cases.push_back({head, temporal, 20, 18, 6, 32, 4, 3, true, /*time_unit=*/0.4});
    }
    for (int64_t h = 1; h <= 8; ++h)
      cases.push_back({head, "learned", 19, 17, 5, 8 * h, h, 0, true});
    for (const int64_t topk : {1, 2, 11, 12}) {
      cases.push_back({head, "relative", 30, 9, 12, 48, 2, topk, true});
    }
    cases.push_back({head, "learned", 17, 5, 1, 16, 2, 1, false});   // T = 1
    cases.push_back({head, "learned", 1, 7, 6, 16, 2, 0, true});     // one text
    cases.push_back({head, "rotary", 70, 1, 6, 16, 1, 2, false});    // one video
    cases.push_back({head, "learned", 300, 3, 4, 130, 1, 2, true});  // beyond a tile and a block
  }
  cases.push_back({"xpool", "none", 66, 40, 12, 64, 1, 0, true});
  cases.push_back({"xpool", "none", 66, 40, 12, 64, 8, 0, false});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(OddSizes, Factoring, testing::ValuesIn(odd_sizes()));

// 200 x 200 x 12 x 512, as published models have it; the same ranking for every text and video.
TEST(Factoring, HoldsAtFullWidth) {
  for (const Case& c : {Case{"xpool", "none", 200, 200, 12, 512, 1, 0, false},
                        Case{"cross", "learned", 200, 200, 12, 512, 8, 4, false},
                        Case{"joint", "learned", 200, 200, 12, 512, 4, 0, false},
                        Case{"joint", "relative", 200, 200, 12, 512, 8, 4, false}}) {
    torch::manual_seed(11);
    const auto head = far_from_identity(c);
    const auto [text, video] = random_states(*head, c);
    const Tensor naive = score_blocked(*head, text, video, {.scoring = Scoring::naive});
    const Tensor fast = score_blocked(*head, text, video, {.scoring = Scoring::factored});
    const double difference = (fast - naive).abs().max().item<double>();
    EXPECT_LE(difference, 2e-6) << c.head;
    RecordProperty(c.head + std::to_string(c.heads), std::to_string(difference));
    for (const int64_t dim : {0, 1}) {
      // Neighbours in the ranking closer than the rounding may stand either way.
      const Tensor order = naive.argsort(dim, /*descending=*/true);
      const Tensor steps = fast.gather(dim, order).diff(1, dim);
      EXPECT_LE(steps.max().item<double>(), 2 * difference) << c.head;
      EXPECT_TRUE(naive.argmax(dim).equal(fast.argmax(dim))) << c.head;
    }
  }
}

// A tie at the K-th frame may be settled otherwise, by other roundings, and says the same.
TEST(Factoring, OfFramesThatAreAlikeAnyMayBeKept) {
  for (const std::string name : {"cross", "joint"}) {
    torch::manual_seed(13);
    const Case c{name, "none", 40, 20, 12, 64, 4, 4, false};
    const auto head = far_from_identity(c);
    const torch::NoGradGuard no_grad;
    const Tensor frames = torch::randn({20, 4, 64}).repeat({1, 3, 1});  // each three times
    const TextState text = head->text({torch::randn({40, 64}), {}, {}});
    const VideoState video = head->video({frames, {}, torch::ones({20, 12}, torch::kBool)});
    const Tensor naive = score_blocked(*head, text, video, {.scoring = Scoring::naive});
    const Tensor fast = score_blocked(*head, text, video, {.scoring = Scoring::factored});
    EXPECT_LE((fast - naive).abs().max().item<double>(), 2e-6) << name;
  }
}

TEST(Factoring, IsTakenByItselfAndTheSameInSmallBlocks) {
  torch::manual_seed(3);
  const Case c{"joint", "learned", 40, 90, 6, 64, 4, 0, true};
  const auto head = far_from_identity(c);
  const auto [text, video] = random_states(*head, c);
  const Tensor whole = score_blocked(*head, text, video, {.scoring = Scoring::factored});
  EXPECT_TRUE(whole.equal(score_blocked(*head, text, video, {})));
  EXPECT_LE(
      (whole - score_blocked(*head, text, video, {.workspace_mb = 1})).abs().max().item<float>(),
      1e-6);
}

// Storing states in float16 costs a rounding of 5e-4 of each value.
TEST(Factoring, TakesHalfPrecisionStates) {
  torch::manual_seed(3);
  for (const std::string name : {"cross", "joint"}) {
    const Case c{name, "learned", 40, 30, 12, 256, 4, 0, true};
    const auto head = far_from_identity(c);
    const auto [text, video] = random_states(*head, c);
    const Tensor whole = score_blocked(*head, text, video, {});
    const Tensor half = score_blocked(*head, text.to(torch::kHalf), video.to(torch::kHalf), {});
    EXPECT_LE((whole - half).abs().max().item<float>(), 2e-3) << name;
    EXPECT_GT((whole - half).abs().max().item<float>(), 0) << name;
  }
}

TEST(Factoring, IsRefusedByAHeadThatDoesNotFactor) {
  const auto head =
      make_head({"topk", config::Node(YAML::NodeType::Map)}, {.width = 8, .frames = 4});
  const auto text = head->text({torch::randn({2, 8}), {}, {}});
  const auto video = head->video({torch::randn({2, 4, 8}), {}, torch::ones({2, 4}, torch::kBool)});
  EXPECT_THROW(score_blocked(*head, text, video, {.scoring = Scoring::factored}), Error);
}

}  // namespace
}  // namespace vtr::models
