// The heads over frames against their authors' outputs (support/goldens.h) and against a
// restatement of their formulas (scripts/head_fixtures/sequence.py).
#include "heads/frame_transformer.h"
#include "support/goldens.h"
#include "support/head_fixture.h"
#include "support/tiny_clip.h"

#include "vtr/models/head.h"

#include <gtest/gtest.h>

#include <functional>

namespace vtr::models {
namespace {

using test::golden_mask;
using test::tensor_near;

constexpr int64_t kFrames = 12, kWidth = 512;

std::shared_ptr<Head> head_of(const std::string& name, const std::string& options = "{}",
                              const HeadContext& context = {.width = kWidth, .frames = kFrames}) {
  auto head = make_head({name, YAML::Load(options)}, context);
  head->eval();
  return head;
}

// The score of the goldens' texts and videos, whose lengths are given.
Tensor golden_score(Head& head, const std::vector<int64_t>& lengths) {
  const torch::NoGradGuard no_grad;
  const TextFeatures texts{test::golden_texts(3, kWidth), {}, {}};
  const VideoFeatures videos{
      test::golden_frames(3, kFrames, kWidth), {}, golden_mask(lengths, kFrames)};
  return head.score(head.text(texts), head.video(videos));
}

// The rule that fills a parameter asks for the authors' name within the module they filled.
void fill(Head& head, const std::function<std::string(const std::string&)>& authors_name) {
  for (const auto& p : head.named_parameters()) test::golden_fill(p.value(), authors_name(p.key()));
}

std::string without(const std::string& prefix, const std::string& name) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

const std::vector<int64_t> kPadded{12, 8, 5}, kWhole{12, 12, 12};
// Rounding of the goldens and of float32 sums of 512 terms.
constexpr double kGolden = 2e-6;

TEST(HeadsSequenceGolden, MeanPoolIsClip4ClipsMeanP) {
  EXPECT_TRUE(tensor_near(golden_score(*head_of("mean_pool"), kPadded), test::golden("c4c_meanP"),
                          kGolden));
}

TEST(HeadsSequenceGolden, MeanPoolOfWholeVideosIsXPoolsAverage) {
  EXPECT_TRUE(tensor_near(golden_score(*head_of("mean_pool"), kWhole),
                          test::golden("xpool_baseline_avg"), kGolden));
}

TEST(HeadsSequenceGolden, AttentionIsXPoolsBaseline) {
  EXPECT_TRUE(tensor_near(golden_score(*head_of("attention"), kWhole),
                          test::golden("xpool_baseline_attention"), kGolden));
}

TEST(HeadsSequenceGolden, SeqTransfIsClip4Clips) {
  const auto head = head_of("seq_transf");
  fill(*head, [](const std::string& name) {
    return name == "temporal.positions" ? "weight" : without("transformerClip.", name);
  });
  EXPECT_TRUE(tensor_near(golden_score(*head, kPadded), test::golden("c4c_seqTransf"), kGolden));
}

TEST(HeadsSequenceGolden, TightTransfIsClip4Clips) {
  const auto head = head_of("tight_transf");
  fill(*head, [](const std::string& name) {
    if (name == "temporal.positions") return std::string("embeddings.position_embeddings.weight");
    return without("similarity_dense.", without("cross.", name));
  });
  EXPECT_TRUE(tensor_near(golden_score(*head, kPadded), test::golden("c4c_tight"), kGolden));
}

struct Case {
  std::string name, head, options;
  bool training = false;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class HeadsSequenceParity : public testing::TestWithParam<Case> {};

TEST_P(HeadsSequenceParity, ScoresAndGradientsAreThoseOfTheFormulas) {
  const auto head = head_of(GetParam().head, GetParam().options, {.width = 8, .frames = 4});
  head->train(GetParam().training);
  test::HeadFixture("heads_sequence").expect_sim(*head, GetParam().name);
}

std::vector<Case> cases() {
  std::vector<Case> all{
      {"mean_pool", "mean_pool", "{}"},
      {"topk", "topk", "{topk: 2}"},
      {"attention", "attention", "{temperature: 0.2}"},
      {"seq_lstm", "seq_lstm", "{}"},
      {"gated", "gated", "{width: 6}"},
      {"gated_words", "gated", "{width: 6, text: max_words, video: mean}"},
      {"gated_norm", "gated", "{width: 6, video: mean, batch_norm: true}", /*training=*/true},
  };
  // Every encoding by timestamp; by index they are the same (heads_temporal_test.cc).
  for (const std::string head : {"seq_transf", "tight_transf", "mmt"}) {
    const std::string sizes = head == "mmt" ? "width: 12, inner: 10, heads: 2" : "heads: 2";
    all.push_back({head, head, "{layers: 2, " + sizes + "}"});
    all.push_back({head + "_none", head, "{layers: 1, temporal: none, " + sizes + "}"});
    for (const std::string temporal : {"learned", "sinusoidal", "rotary", "relative"}) {
      all.push_back(
          {fmt::format("{}_{}_times", head, temporal), head,
           fmt::format("{{layers: 1, time_unit: 0.5, temporal: {}, {}}}", temporal, sizes)});
    }
  }
  for (const std::string kind : {"frozen", "all_in_one", "clover"})
    all.push_back({"projection_" + kind, "projection", "{width: 5, kind: " + kind + "}"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Grid, HeadsSequenceParity, testing::ValuesIn(cases()),
                         [](const auto& c) { return c.param.name; });

Tensor parameter(torch::nn::Module& module, const std::string& name) {
  return module.named_parameters()[name].detach().clone();
}

// The tiny CLIP's text tower: width 32, two layers, 16 positions.
TEST(FrameTransformer, StartsFromTheFirstLayersAndPositionsOfTheTextTower) {
  const auto clip = test::tiny_clip();
  const struct {
    const char *head, *blocks;
  } cases[] = {{"seq_transf", "transformerClip"}, {"tight_transf", "cross.transformer"}};
  for (const auto& [name, blocks] : cases) {
    const auto head = head_of(name, "{layers: 3, heads: 2}", {.width = 32, .frames = 20});
    const std::string last = fmt::format("{}.resblocks.2.attn.in_proj_weight", blocks);
    const Tensor before = parameter(*head, last);
    const Tensor row = parameter(*head, "temporal.positions")[16];
    head->start_from(*clip);
    for (const std::string part : {"0.attn.in_proj_weight", "1.ln_2.weight", "1.mlp.c_proj.bias"}) {
      EXPECT_TRUE(parameter(*head, fmt::format("{}.resblocks.{}", blocks, part))
                      .equal(parameter(*clip, "transformer.resblocks." + part)))
          << name << " " << part;
    }
    EXPECT_TRUE(parameter(*head, last).equal(before)) << name;
    const Tensor positions = parameter(*head, "temporal.positions");
    EXPECT_TRUE(positions.slice(0, 0, 16).equal(parameter(*clip, "positional_embedding"))) << name;
    EXPECT_TRUE(positions[16].equal(row)) << name;
  }
}

TEST(FrameTransformer, OfAnotherWidthThanTheTextTowerKeepsItsRandomStart) {
  const auto head = head_of("seq_transf", "{layers: 1, heads: 2}", {.width = 24, .frames = 4});
  std::vector<Tensor> before;
  for (const auto& p : head->parameters()) before.push_back(p.detach().clone());
  head->start_from(*test::tiny_clip());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(head->parameters()[i].equal(before[i]));
}

TEST(FrameTransformer, HeadsThatDoNotDivideTheWidthAreRefused) {
  for (const std::string name : {"seq_transf", "tight_transf", "mmt"})
    EXPECT_THROW(head_of(name, "{heads: 3}", {.width = 16, .frames = 4}), Error) << name;
}

TEST(HeadsSequence, PositionsHaveOtherNamesInClip4ClipsCheckpoints) {
  const std::string theirs = "frame_position_embeddings.weight";
  EXPECT_EQ(head_of("seq_transf")->name_here(theirs), "temporal.positions");
  EXPECT_EQ(head_of("seq_lstm")->name_here(theirs), "");  // saved, and never used
  EXPECT_EQ(head_of("tight_transf")->name_here("cross.embeddings.position_embeddings.weight"),
            "temporal.positions");
}

}  // namespace
}  // namespace vtr::models
