#include "support/program.h"

#include "vtr/models/weights/safetensors.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr {
namespace {

constexpr int64_t kTexts = 7, kVideos = 5, kFrames = 4, kWidth = 16;

// Features and weights of X-Pool under its authors' names, beside those of an encoder whose names
// end alike.
class Score : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(2);
    models::save_safetensors(dir / "t.safetensors", {{"pooled", torch::randn({kTexts, kWidth})}});
    models::save_safetensors(dir / "v.safetensors",
                             {{"frames", torch::randn({kVideos, kFrames, kWidth})}});
    models::TensorMap weights;
    for (const std::string part :
         {"cross_attn.q_proj", "cross_attn.k_proj", "cross_attn.v_proj", "cross_attn.out_proj",
          "linear_proj", "layer_norm1", "layer_norm2", "layer_norm3"}) {
      const bool norm = part.starts_with("layer_norm");
      const std::string name = "pool_frames." + part;
      weights.emplace_back(name + ".weight",
                           norm ? torch::rand({kWidth}) : torch::randn({kWidth, kWidth}));
      weights.emplace_back(name + ".bias", torch::randn({kWidth}));
    }
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
