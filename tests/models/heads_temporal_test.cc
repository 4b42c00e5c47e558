// Every head that takes a temporal encoding, with every encoding, by index and by timestamp. What
// exactly they compute: heads_attention_test.cc, heads_sequence_test.cc.
#include "support/error_of.h"
#include "support/tensor_near.h"
#include "temporal/temporal.h"

#include "vtr/models/head.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

using test::tensor_near;

constexpr int64_t kVideos = 3, kTexts = 4, kFrames = 4, kWords = 3, kPatches = 5, kWidth = 24;

struct Case {
  std::string head, temporal;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& head : heads()) {
    const config::Node options = head.schema.resolve(config::Node(YAML::NodeType::Map), "");
    if (!options["temporal"]) continue;
    for (const auto& temporal : temporal_encodings().names()) all.push_back({head.name, temporal});
  }
  return all;
}

class EveryEncoding : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    torch::manual_seed(4);
    texts = {torch::randn({kTexts, kWidth}), torch::randn({kTexts, kWords, kWidth}),
             torch::ones({kTexts, kWords}, torch::kBool)};
    videos = {torch::randn({kVideos, kFrames, kWidth}),
              torch::randn({kVideos, kFrames, kPatches, kWidth}),
              torch::ones({kVideos, kFrames}, torch::kBool),
              torch::arange(kFrames, torch::kFloat).expand({kVideos, kFrames})};
  }

  // The same weights whatever the unit. X-CLIP's squares over the frames, which would see an order
  // of their own, stay the identity.
  Tensor score(double time_unit) const {
    const config::Node options = YAML::Load(
        fmt::format("{{heads: 2, temporal: {}, time_unit: {}}}", GetParam().temporal, time_unit));
    torch::manual_seed(7);
    const auto head = make_head({GetParam().head, options},
                                {.width = kWidth, .frames = kFrames, .words = kWords});
    head->eval();
    const torch::NoGradGuard no_grad;
    for (const auto& p : head->named_parameters()) {
      if (!p.key().starts_with("frame_")) p.value().add_(0.3 * torch::randn_like(p.value()));
    }
    return head->score(head->text(texts), head->video(videos));
  }

  // `none` sees neither order nor time, and every other encoding does.
  static void expect_seen(const Tensor& before, const Tensor& after) {
    const double bound = 1e-4 * before.abs().max().item<double>();
    EXPECT_EQ(static_cast<bool>(tensor_near(after, before, bound)), GetParam().temporal == "none");
  }

  TextFeatures texts;
  VideoFeatures videos;
};

TEST_P(EveryEncoding, SeesTheOrderOfTheFrames) {
  const Tensor before = score(/*time_unit=*/0);
  videos.frames = videos.frames.flip(1);
  videos.patches = videos.patches.flip(1);
  expect_seen(before, score(/*time_unit=*/0));
}

TEST_P(EveryEncoding, SeesTheTimesOfTheFrames) {
  const Tensor before = score(/*time_unit=*/0.5);
  videos.times = 0.3 + 0.7 * videos.times;
  expect_seen(before, score(/*time_unit=*/0.5));
}

// But in ts2, whose tokens have each an index and those of a frame one time.
TEST_P(EveryEncoding, AFrameAUnitIsAtItsIndex) {
  if (GetParam().head == "ts2") return;
  videos.times = 0.25 * videos.times;
  EXPECT_TRUE(tensor_near(score(/*time_unit=*/0.25), score(/*time_unit=*/0), 1e-5));
}

TEST_P(EveryEncoding, AsksForTheTimesItCounts) {
  videos.times = Tensor();
  score(/*time_unit=*/0);
  test::expect_error([&] { score(/*time_unit=*/1); }, "the frames' timestamps are needed");
}

INSTANTIATE_TEST_SUITE_P(Heads, EveryEncoding, testing::ValuesIn(cases()),
                         [](const auto& c) { return c.param.head + "_" + c.param.temporal; });

}  // namespace
}  // namespace vtr::models
