#include "vtr/eval/closeup.h"

#include "support/error_of.h"
#include "support/fake_tokenizer.h"
#include "support/temp_dir.h"
#include "support/tiny_clip.h"
#include "support/tiny_video.h"

#include "vtr/core/log.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <limits>

namespace vtr::eval {
namespace {

// Four texts of three videos: right by 0.4, right by 0.1, third, second.
Evaluation four_texts() {
  Evaluation result;
  result.sim = torch::tensor(
      {{0.9F, 0.5F, 0.1F}, {0.6F, 0.5F, 0.4F}, {0.3F, 0.2F, 0.1F}, {0.4F, 0.8F, 0.7F}});
  result.target = {0, 0, 2, 2};
  return result;
}

std::vector<int64_t> texts_of(const std::vector<Answer>& answers) {
  std::vector<int64_t> texts;
  for (const auto& answer : answers) texts.push_back(answer.text);
  return texts;
}

TEST(Closeup, TheRivalIsTheBestOfTheOtherVideos) {
  const auto all = answers(four_texts(), {1, 1, 3, 2});
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].rival, 1);
  EXPECT_FLOAT_EQ(all[0].margin(), 0.4F);
  EXPECT_FALSE(all[1].wrong());
  EXPECT_EQ(all[2].rival, 0);
  EXPECT_FLOAT_EQ(all[3].margin(), -0.1F);
}

TEST(Closeup, BestByMarginAndWorstByRank) {
  const auto all = answers(four_texts(), {1, 1, 3, 2});
  EXPECT_EQ(texts_of(best(all, 5)), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(texts_of(best(all, 1)), (std::vector<int64_t>{0}));
  EXPECT_EQ(texts_of(worst(all, 5)), (std::vector<int64_t>{2, 3}));
}

TEST(Closeup, AVideoAloneIsItsOwnRival) {
  Evaluation result;
  result.sim = torch::tensor({{0.5F}});
  result.target = {0};
  const auto all = answers(result, {1});
  EXPECT_EQ(all[0].rival, 0);
  EXPECT_EQ(all[0].margin(), 0);
}

TEST(Closeup, AHeatMapKeepsTheLargestOfWhatFallsTogether) {
  const Tensor sim = torch::eye(100).repeat_interleave(3, 0) * 2 - 1;  // three texts a video
  const Tensor map = heat_map(sim, 25);
  EXPECT_EQ(map.sizes(), (std::vector<int64_t>{25, 25}));
  EXPECT_TRUE(torch::equal(map, torch::eye(25)));
  EXPECT_EQ(heat_map(torch::rand({5, 7}), 25).sizes(), (std::vector<int64_t>{5, 7}));
  EXPECT_TRUE(heat_map(torch::ones({5, 7}), 25).isfinite().all().item<bool>());
}

class Look : public testing::Test {
 protected:
  Look() {
    log::set_level("error");
    for (int v = 0; v < 5; ++v) {
      const auto path = dir / fmt::format("{}.mp4", v);
      test::write_tiny_video(path, {.frames = 6, .first = 20 + 30 * v});
      manifest.videos.push_back({std::to_string(v), path, {fmt::format("this is {}", v)}});
    }
  }
  void make(const std::string& head) {
    torch::manual_seed(1);
    auto options = test::tiny_clip_options();
    options["vocab"] = 300;
    encoder = {"clip", models::encoders().find("clip").schema.resolve(options, "")};
    model = std::make_shared<models::Retriever>(
        models::encoders().find("clip").make(encoder.options, ""),
        models::make_head({head, {}}, {.width = 24, .frames = 4, .words = 12}),
        models::PixelNorm{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
  }
  Encoding encoding() const {
    data::LoaderSettings loader;
    loader.data.workers = 1;
    loader.video.frames = 4;
    loader.resolution = 32;
    loader.max_words = 12;
    return {.model = *model,
            .tokenizer = tokenizer,
            .loader = loader,
            .encoder_choice = encoder,
            .tokenizer_choice = {"fake", config::Node(YAML::NodeType::Map)}};
  }
  test::TempDir dir;
  test::FakeTokenizer tokenizer;
  data::Manifest manifest{"five", {}};
  config::Choice encoder{"clip", {}};
  std::shared_ptr<models::Retriever> model;
};

TEST_F(Look, AScoreThatIsNoNumberNamesItsTextAndVideo) {
  make("mean_pool");
  for (auto& parameter : model->named_parameters()) {
    if (parameter.key().find("visual.proj") == std::string::npos) continue;
    const torch::NoGradGuard no_grad;
    parameter.value().fill_(std::numeric_limits<float>::quiet_NaN());
  }
  test::expect_error([&] { evaluate(encoding(), manifest, /*workspace_mb=*/64, nullptr); },
                     "text 0 (\"this is 0\") and video 0");
}

// The weights of a pair are those of the whole split scored at once.
TEST_F(Look, WeighsTheFramesAsScoringDoes) {
  make("joint");
  const auto result = evaluate(encoding(), manifest, /*workspace_mb=*/64, nullptr);
  const torch::NoGradGuard no_grad;
  const auto whole = model->head().explain(result.text_states, result.video_states);
  const auto seen = look(encoding().loader, model->head(), result, {{3, 1}, {0, 4}, {3, 4}});
  EXPECT_EQ(seen.videos.size(), 2U);
  ASSERT_EQ(seen.pairs.size(), 3U);
  for (const auto& [pair, explained] : seen.pairs) {
    const auto [text, video] = pair;
    EXPECT_TRUE(torch::allclose(explained.weights, whole.weights[text][video], 1e-4, 1e-5));
    EXPECT_TRUE(torch::allclose(explained.relevance, whole.relevance[text][video], 1e-4, 1e-5));
  }
  EXPECT_EQ(seen.videos.at(4).pixels.sizes(), (std::vector<int64_t>{4, 3, 32, 32}));
  EXPECT_FALSE(torch::equal(seen.videos.at(4).pixels, seen.videos.at(1).pixels));
}

TEST_F(Look, AHeadWithoutFrameWeightsHasFramesOnly) {
  make("mean_pool");
  const auto result = evaluate(encoding(), manifest, /*workspace_mb=*/64, nullptr);
  const auto seen = look(encoding().loader, model->head(), result, {{0, 1}});
  EXPECT_EQ(seen.videos.size(), 1U);
  EXPECT_TRUE(seen.pairs.empty());
}

TEST_F(Look, AVideoThatIsGoneHasNoFramesAndTheOthersTheirOwn) {
  make("joint");
  const auto result = evaluate(encoding(), manifest, /*workspace_mb=*/64, nullptr);
  const std::vector<Pair> pairs = {{0, 0}, {1, 1}, {2, 3}, {3, 4}};
  const auto whole = look(encoding().loader, model->head(), result, pairs);
  for (const size_t gone : {0, 3}) fs::remove(manifest.videos[gone].path);
  const auto seen = look(encoding().loader, model->head(), result, pairs);
  EXPECT_EQ(seen.pairs.size(), 4U);
  ASSERT_EQ(seen.videos.size(), 2U);
  for (const int64_t video : {1, 4}) {
    EXPECT_TRUE(torch::equal(seen.videos.at(video).pixels, whole.videos.at(video).pixels));
  }
}

}  // namespace
}  // namespace vtr::eval
