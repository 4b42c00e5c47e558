#include "support/program.h"
#include "support/tensor_near.h"

#include "vtr/models/head.h"
#include "vtr/models/weights/safetensors.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr {
namespace {

constexpr int64_t kTexts = 7, kVideos = 5, kFrames = 4, kWidth = 16;

// Features, and weights of X-Pool under its authors' names: bare, and with their prefix beside
// those of an encoder whose names end alike.
class Score : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(2);
    models::save_safetensors(dir / "t.safetensors", {{"pooled", torch::randn({kTexts, kWidth})}});
    models::save_safetensors(dir / "v.safetensors",
                             {{"frames", torch::randn({kVideos, kFrames, kWidth})}});
    models::TensorMap weights, bare;
    for (const std::string part :
         {"cross_attn.q_proj", "cross_attn.k_proj", "cross_attn.v_proj", "cross_attn.out_proj",
          "linear_proj", "layer_norm1", "layer_norm2", "layer_norm3"}) {
      const bool norm = part.starts_with("layer_norm");
      bare.emplace_back(part + ".weight",
                        norm ? torch::rand({kWidth}) : torch::randn({kWidth, kWidth}));
      bare.emplace_back(part + ".bias", torch::randn({kWidth}));
    }
    models::save_safetensors(dir / "bare.safetensors", bare);
    for (const auto& [name, tensor] : bare) weights.emplace_back("pool_frames." + name, tensor);
    weights.emplace_back("clip.text_model.layers.0.layer_norm1.weight", torch::rand({kWidth}));
    weights.emplace_back("clip.text_model.layers.1.layer_norm1.weight", torch::rand({kWidth}));
    models::save_safetensors(dir / "w.safetensors", weights);
  }

  test::Outcome score(std::vector<std::string> more) const {
    std::vector<std::string> words = {
        "score", "--text", path("t.safetensors"), "--video", path("v.safetensors"), "--overwrite"};
    words.insert(words.end(), more.begin(), more.end());
    return test::run_program(words);
  }
  std::string path(const std::string& name) const { return (dir / name).string(); }
  Tensor sim(const std::string& name) const {
    return models::load_safetensors(dir / name).front().second;
  }

  test::TempDir dir;
};

TEST_F(Score, GivesTheSameByEveryRoad) {
  for (const std::string extra : {"--naive", "--overwrite"}) {
    const auto out = path(extra + ".safetensors");
    const auto outcome = score({"--head", "xpool", "--weights", path("w.safetensors"), "--set",
                                "heads=2", "--out", out, extra});
    ASSERT_EQ(outcome.code, 0) << outcome.output;
  }
  const Tensor naive = sim("--naive.safetensors"), fast = sim("--overwrite.safetensors");
  EXPECT_EQ(fast.sizes(), (std::vector<int64_t>{kTexts, kVideos}));
  EXPECT_LE((naive - fast).abs().max().item<float>(), 2e-6);
  EXPECT_GT(fast.std().item<float>(), 0.01);
}

TEST_F(Score, TheAuthorsPrefixIsNotNeeded) {
  for (const std::string weights : {"w.safetensors", "bare.safetensors"}) {
    const auto outcome =
        score({"--head", "xpool", "--weights", path(weights), "--out", path("s_" + weights)});
    ASSERT_EQ(outcome.code, 0) << outcome.output;
  }
  EXPECT_TRUE(sim("s_w.safetensors").equal(sim("s_bare.safetensors")));
}

// The number of heads is in no tensor's shape: two here, four by default.
TEST_F(Score, ARunsWeightsAreScoredByTheOptionsOfItsHead) {
  const auto trained =
      test::run_program({"train", "--config", test::write_tiny_experiment(dir, 12, 4), "--run",
                         path("run"), "train.max_steps=1"});
  ASSERT_EQ(trained.code, 0) << trained.output;
  models::save_safetensors(dir / "t.safetensors", {{"pooled", torch::randn({kTexts, 32})}});
  models::save_safetensors(dir / "v.safetensors",
                           {{"frames", torch::randn({kVideos, kFrames, 32})}});
  const std::string own = path("run/checkpoints/step_00000001/model.safetensors");
  std::filesystem::copy(own, dir / "lone.safetensors");
  const auto scored = [&](const std::string& weights, const std::string& name,
                          const std::vector<std::string>& set, const std::string& says) {
    std::vector<std::string> words = {"--weights", weights, "--out", path(name)};
    words.insert(words.end(), set.begin(), set.end());
    const auto outcome = score(words);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output.find(says), std::string::npos) << outcome.output;
    return sim(name);
  };
  const Tensor two = scored(own, "two", {}, "the head's options are those of");
  const Tensor four = scored(own, "four", {"--set", "heads=4"}, "the head's options are those of");
  EXPECT_FALSE(two.equal(four));
  const std::string lone = path("lone.safetensors"), warning = "not the head's options; taken: ";
  EXPECT_TRUE(scored(lone, "default", {}, warning + "heads=4, ").equal(four));
  EXPECT_TRUE(scored(lone, "given", {"--set", "heads=2"}, warning + "temporal=").equal(two));
  const auto other = score({"--head", "xpool", "--weights", own, "--out", path("other")});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.output.find("has the head joint; give --head joint"), std::string::npos)
      << other.output;
}

TEST_F(Score, WordsPatchesAndMasksGoIn) {
  const torch::NoGradGuard no_grad;
  const auto mask = [](const std::vector<int64_t>& lengths, int64_t most) {
    return torch::arange(most).unsqueeze(0) < torch::tensor(lengths).unsqueeze(1);
  };
  const models::TextFeatures texts{torch::randn({kTexts, kWidth}),
                                   torch::randn({kTexts, 3, kWidth}),
                                   mask({3, 1, 2, 3, 3, 2, 1}, 3)};
  const models::VideoFeatures videos{torch::randn({kVideos, kFrames, kWidth}),
                                     torch::randn({kVideos, kFrames, 5, kWidth}),
                                     mask({4, 2, 3, 1, 4}, kFrames)};
  models::save_safetensors(dir / "t.safetensors", {{"pooled", texts.pooled},
                                                   {"tokens", texts.tokens},
                                                   {"text_mask", texts.mask.to(torch::kLong)}});
  models::save_safetensors(dir / "v.safetensors", {{"frames", videos.frames},
                                                   {"patches", videos.patches},
                                                   {"frame_mask", videos.mask.to(torch::kLong)}});
  for (const std::string name : {"mug", "ts2"}) {
    const auto head = models::make_head({name, config::Node(YAML::NodeType::Map)},
                                        {.width = kWidth, .frames = kFrames, .words = 3});
    head->eval();
    models::TensorMap weights;
    for (const auto& p : head->named_parameters()) weights.emplace_back(p.key(), p.value());
    std::vector<std::string> words = {"--head", name, "--out", path(name + ".safetensors")};
    if (!weights.empty()) {
      models::save_safetensors(dir / "w.safetensors", weights);
      words.insert(words.end(), {"--weights", path("w.safetensors")});
    }
    const auto outcome = score(words);
    ASSERT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_TRUE(test::tensor_near(sim(name + ".safetensors"),
                                  head->score(head->text(texts), head->video(videos)), 2e-6))
        << name;
  }
}

TEST_F(Score, SaysWhatDoesNotFit) {
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    words.insert(words.end(), {"--out", path("s.safetensors")});
    const auto outcome = score(words);
    EXPECT_EQ(outcome.code, 1) << outcome.output;
    EXPECT_NE(outcome.output.find(why), std::string::npos) << outcome.output;
  };
  refused({"--head", "xpool"}, "xpool has weights");
  refused({"--head", "seq_transf", "--weights", path("w.safetensors")},
          "missing");  // another system
  refused({"--head", "mug"}, "no tensor 'tokens', which mug needs");
  refused({"--head", "ts2", "--weights", path("w.safetensors")}, "no tensor 'patches'");
  models::save_safetensors(dir / "v.safetensors", {{"frames", torch::randn({2, kFrames, 8})}});
  refused({"--head", "mean_pool"}, "has the width 16");
  models::save_safetensors(dir / "t.safetensors", {{"pooled", torch::randn({3, 8})}});
  refused({"--head", "xpool", "--weights", path("w.safetensors")}, "of another shape");
  models::save_safetensors(dir / "t.safetensors", {{"pooled", torch::full({3, 8}, std::nanf(""))}});
  refused({"--head", "mean_pool"}, "holds NaN");
}

TEST_F(Score, BenchmarkComparesNaiveAndFactored) {
  const auto outcome =
      test::run_program({"bench", "score", "--head", "joint", "--texts", "20", "--videos", "20",
                         "--frames", "3", "--width", "32", "--set", "temporal=sinusoidal", "--set",
                         "time_unit=2", "--json", path("b.json")});
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  for (const std::string key : {"naive_seconds", "factored_seconds", "speedup", "max_abs_diff",
                                "naive_peak_bytes", "factored_peak_bytes"}) {
    EXPECT_NE(outcome.output.find(key), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace vtr
