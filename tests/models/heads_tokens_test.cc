// Heads of words, frames and patches: the authors' outputs (tests/fixtures/goldens.json), and
// PyTorch's of scripts/head_fixtures/tokens.py.
#include "heads/token_selection.h"
#include "support/error_of.h"
#include "support/goldens.h"
#include "support/head_fixture.h"

#include "vtr/models/head.h"

#include <torch/nn/functional/normalization.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

using test::golden;
using test::tensor_near;

constexpr int64_t kGoldenWidth = 512;
constexpr double kGolden = 2e-6;  // the goldens have seven digits

std::shared_ptr<Head> head_of(const std::string& name, const std::string& options,
                              const HeadContext& context) {
  auto head = make_head({name, YAML::Load(options)}, context);
  head->eval();
  return head;
}

// Frames without padding where `lengths` is empty.
VideoFeatures videos_of(const Tensor& frames, const std::vector<int64_t>& lengths) {
  const Tensor mask = lengths.empty() ? torch::ones({frames.size(0), frames.size(1)}, torch::kBool)
                                      : test::golden_mask(lengths, frames.size(1));
  return {frames, {}, mask};
}

Tensor golden_score(const std::string& name, const std::string& options,
                    const std::vector<int64_t>& words, const std::vector<int64_t>& frames) {
  const torch::NoGradGuard no_grad;
  const auto head = head_of(name, options, {.width = kGoldenWidth, .frames = 4, .words = 6});
  const TextFeatures texts{test::golden_texts(3, kGoldenWidth),
                           test::golden_words(3, 6, kGoldenWidth), test::golden_mask(words, 6)};
  const auto videos = videos_of(test::golden_frames(2, 4, kGoldenWidth), frames);
  return head->score(head->text(texts), head->video(videos));
}

TEST(HeadsOfTokens, MugGivesTheAuthorsScores) {
  for (const std::string mask : {"true", "authors"}) {
    EXPECT_TRUE(tensor_near(golden_score("mug", "{mask: " + mask + "}", {5, 4, 3}, {}),
                            golden("stan_mug_frame_token_simple"), kGolden))
        << mask;
  }
}

TEST(HeadsOfTokens, WtiGivesTheAuthorsScores) {
  const std::string options = "{interaction: uniform, agg_module: none, mask: authors}";
  EXPECT_TRUE(
      tensor_near(golden_score("wti", options, {5, 4, 3}, {4, 3}), golden("wti_uniform"), kGolden));
}

TEST(HeadsOfTokens, XClipGivesTheAuthorsScores) {
  const std::string options = "{sim_header: meanP, mask: authors}";
  EXPECT_TRUE(tensor_near(golden_score("xclip", options, {6, 6, 6}, {4, 3}),
                          golden("xclip_identity_meanP"), kGolden));
}

TEST(HeadsOfTokens, Ts2GivesTheAuthorsScoresOfFrames) {
  const auto head = head_of("ts2", "{}", {.width = kGoldenWidth, .frames = 12});
  const auto text = head->text({test::golden_texts(3, kGoldenWidth), {}, {}});
  const Tensor frames =
      torch::nn::functional::normalize(test::golden_frames(3, 12, kGoldenWidth),
                                       torch::nn::functional::NormalizeFuncOptions().dim(-1));
  const VideoState video(
      State::Items{{"frames", frames}, {"mask", test::golden_mask({12, 8, 5}, 12)}});
  const Tensor sim = head->score(text, video);
  EXPECT_TRUE(tensor_near(sim, golden("ts2_frame_sim"), kGolden));
  EXPECT_TRUE(tensor_near(sim, golden("ts2_frame_sim_plain"), kGolden));
}

// These scores are of size 1e-6, rounded to 1e-7.
TEST(HeadsOfTokens, Ts2GivesTheAuthorsScoresOfTokens) {
  const torch::NoGradGuard no_grad;
  VisualTokenSelection selection(kGoldenWidth, 3);
  for (auto& p : selection.named_parameters()) test::golden_fill(p.value(), p.key());
  const Tensor tokens = test::golden_words(2, 50, kGoldenWidth).unsqueeze(1);
  const Tensor scores = selection.score_predictor().forward(tokens).squeeze(1);
  EXPECT_TRUE(tensor_near(scores.slice(1, 0, 6), golden("ts2_scores_first6"), 2e-7));
}

// With 12 frames the authors' mask is (m0, m4, m8), four times; ours is m.
TEST(HeadsOfTokens, Ts2MaskOfTheAuthorsIsEveryFourth) {
  const torch::NoGradGuard no_grad;
  auto videos = videos_of(torch::randn({2, 12, 16}), {6, 9});
  videos.patches = torch::randn({2, 12, 4, 16});
  const auto mask_of = [&](const std::string& mask) {
    return head_of("ts2", "{mask: " + mask + "}", {.width = 16, .frames = 12})
        ->video(videos)["mask"];
  };
  EXPECT_TRUE(mask_of("true").equal(videos.mask));
  const Tensor fourth = videos.mask.slice(1, 0, 12, 4);
  EXPECT_TRUE(mask_of("authors").equal(fourth.repeat({1, 4})));
}

TEST(HeadsOfTokens, Ts2ChoosesByChanceWhereTold) {
  const torch::NoGradGuard no_grad;
  auto videos = videos_of(torch::randn({2, 4, 16}), {});
  videos.patches = torch::randn({2, 4, 8, 16});
  const auto twice_equal = [&](const std::string& selection) {
    const auto head = head_of("ts2", "{selection: " + selection + "}", {.width = 16, .frames = 4});
    return head->video(videos)["frames"].equal(head->video(videos)["frames"]);
  };
  EXPECT_TRUE(twice_equal("exact"));
  EXPECT_FALSE(twice_equal("noisy"));
}

TEST(HeadsOfTokens, Ts2RefusesMorePatchesThanThereAre) {
  auto videos = videos_of(torch::randn({1, 2, 16}), {});
  videos.patches = torch::randn({1, 2, 4, 16});
  const auto head = head_of("ts2", "{tokens: 5}", {.width = 16, .frames = 2});
  test::expect_error([&] { head->video(videos); },
                     "model.head.tokens: 5 is more than the 4 patches");
}

TEST(HeadsOfTokens, XClipRefusesOtherNumbersOfWordsAndFrames) {
  const auto head = head_of("xclip", "{}", {.width = 16, .frames = 4, .words = 6});
  const TextFeatures texts{torch::randn({1, 16}), torch::randn({1, 5, 16}),
                           torch::ones({1, 5}, torch::kBool)};
  test::expect_error([&] { head->text(texts); }, "texts of 6 tokens, padding included, not of 5");
  test::expect_error(
      [&] {
        head->video(videos_of(torch::randn({1, 3, 16}), {}));
      },
      "videos of 4 frames, padding included, not of 3");
}

TEST(HeadsOfTokens, AuthorsNamesOfWeights) {
  const HeadContext context{.width = 16, .frames = 4, .words = 6};
  for (const std::string name : {"wti", "xclip", "ts2"}) {
    EXPECT_EQ(head_of(name, "{}", context)->name_here("frame_position_embeddings.weight"),
              "temporal.positions");
  }
  const auto wti = head_of("wti", "{arch: 1}", context);
  EXPECT_EQ(wti->name_here("text_weight_fc.weight"), "text_weight_fc.0.weight");
  EXPECT_EQ(wti->name_here("text_weight_fc.2.bias"), "text_weight_fc.2.bias");
  const auto ts2 = head_of("ts2", "{}", context);
  EXPECT_EQ(ts2->name_here("text_token_selector.score_predictor.in_conv.0.weight"), "");
  EXPECT_EQ(ts2->name_here("visual_prompt_encoder.conv1.weight"), "");
}

// 263,424 live weights of the selection, 526,338 of arch 2, 527,792 of X-CLIP's squares.
TEST(HeadsOfTokens, HaveAsManyWeightsAsTheAuthors) {
  const auto count = [](const std::string& name, const std::string& options,
                        const std::string& prefix) {
    int64_t sum = 0;
    const auto head = head_of(name, options, {.width = kGoldenWidth, .frames = 12, .words = 32});
    for (const auto& p : head->named_parameters()) {
      if (p.key().starts_with(prefix)) sum += p.value().numel();
    }
    return sum;
  };
  EXPECT_EQ(count("ts2", "{layers: 1}", "visual_token_selector."), 263424);
  EXPECT_EQ(count("wti", "{agg_module: none}", ""), 526338);
  EXPECT_EQ(count("xclip", "{sim_header: meanP}", ""), 527792);
  EXPECT_EQ(count("mug", "{}", ""), 0);
}

struct Case {
  std::string name, head, options;
  bool penalty = false;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class TokensParity : public testing::TestWithParam<Case> {};

TEST_P(TokensParity, ValueAndGradients) {
  const Case& c = GetParam();
  const auto head = head_of(c.head, c.options, {.width = 12, .frames = 4, .words = 5});
  const test::HeadFixture fixture("heads_tokens");
  if (c.penalty) return fixture.expect_penalty(*head, c.name);
  fixture.expect_sim(*head, c.name);
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string mode : {"frame_token_simple", "frame_token", "frame_text"}) {
    cases.push_back({"mug_" + mode, "mug", "{mode: " + mode + "}"});
    cases.push_back({"mug_" + mode + "_authors", "mug", "{mode: " + mode + ", mask: authors}"});
  }
  cases.push_back({"wti_uniform", "wti", "{interaction: uniform, agg_module: none}"});
  for (const std::string arch : {"1", "2", "3"}) {
    cases.push_back({"wti_arch" + arch, "wti", "{agg_module: none, arch: " + arch + "}"});
  }
  cases.push_back({"wti_authors", "wti", "{agg_module: none, mask: authors}"});
  cases.push_back({"wti_seqTransf", "wti", "{layers: 1, heads: 3}"});
  for (const std::string variant : {"1", "2", "3", "3_authors"}) {
    cases.push_back(
        {"wti_decorrelation" + variant, "wti",
         "{agg_module: none, alpha2: 0.3, lambda: 0.5, decorrelation: " + variant.substr(0, 1) +
             ", mask: " + (variant.size() > 1 ? "authors" : "true") + "}",
         /*penalty=*/true});
  }
  cases.push_back({"xclip_meanP", "xclip", "{sim_header: meanP}"});
  cases.push_back({"xclip_authors", "xclip", "{sim_header: meanP, mask: authors}"});
  cases.push_back({"xclip_seqTransf", "xclip", "{layers: 1, heads: 3}"});
  cases.push_back({"ts2", "ts2", "{layers: 1, heads: 3}"});
  cases.push_back({"ts2_authors", "ts2", "{layers: 1, heads: 3, mask: authors}"});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, TokensParity, testing::ValuesIn(all_cases()),
                         [](const auto& p) { return p.param.name; });

TEST(PerturbedTopK, GivesPyTorchsMeanAndGradient) {
  const test::Fixture fixture = test::load_fixture("models/heads_tokens");
  const auto at = [&](const std::string& name) { return fixture.at("topk/" + name); };
  const Tensor scores = at("scores").clone().requires_grad_();
  const Tensor shares = perturbed_topk(scores, at("noise"), 3, 0.05);
  EXPECT_TRUE(tensor_near(shares, at("value"), 1e-6));
  shares.backward(at("gradient"));
  const double size = at("grad").abs().max().item<double>();
  EXPECT_TRUE(tensor_near(scores.grad(), at("grad"), 1e-5 * size));
}

}  // namespace
}  // namespace vtr::models
