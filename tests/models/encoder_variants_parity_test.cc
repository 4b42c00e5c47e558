// The encoders in which frames mix, held against a re-statement of the papers' formulas
// (scripts/head_fixtures/encoders.py) and the authors' own outputs.
#include "clip/variants/cluster.h"
#include "clip/variants/patch_shift.h"
#include "support/fixture.h"
#include "support/goldens.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/models/weights/copy.h"

#include <torch/types.h>

#include <map>

namespace vtr::models {
namespace {

using test::tensor_near;

const std::string kFixtures = VTR_FIXTURES "/encoders/";

// The script's.
Tensor chirp(at::IntArrayRef shape) {
  const Tensor k = at::arange(c10::multiply_integers(shape), at::kDouble);
  return (0.7 * k + 0.0013 * k * k).sin().to(at::kFloat).view(shape);
}

std::map<std::string, Tensor> parameters_of(const Encoders& encoders) {
  std::map<std::string, Tensor> result;
  for (const auto& item : encoders.named_parameters()) result[item.key()] = item.value();
  return result;
}

struct Case {
  std::string fixture, encoder, options;
};

class VariantParity : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    want = test::load_fixture("encoders/" + GetParam().fixture);
    variant = encoders()
                  .find(GetParam().encoder)
                  .make(YAML::Load(GetParam().options), kFixtures + "clip.safetensors");
    variant->eval();
    TensorMap added, targets;
    const auto own = parameters_of(*variant);
    for (const auto& [name, value] : want) {
      if (!name.starts_with("added.")) continue;
      added.emplace_back(name.substr(6), value);
      if (own.contains(name.substr(6)))
        targets.emplace_back(name.substr(6), own.at(name.substr(6)));
    }
    copy_parameters(targets, added, GetParam().fixture);
  }

  // What the fixture has of the features, zero where the mask is.
  std::map<std::string, Tensor> features(const Tensor& pixels) {
    std::map<std::string, Tensor> result;
    const auto video = variant->encode_video(pixels, test::lengths_mask({4, 3}, 4),
                                             {.patches = want.contains("out.patches")});
    result["frames"] = video.frames * video.mask.unsqueeze(-1);
    if (want.contains("out.patches"))
      result["patches"] = video.patches * video.mask.unsqueeze(-1).unsqueeze(-1);
    if (!want.contains("out.pooled")) return result;
    const Tensor ids =
        torch::tensor({1, 5, 7, 3, 19, 0, 1, 9, 19, 0, 0, 0}, at::kLong).view({2, 6});
    const auto text = variant->encode_text(ids, test::lengths_mask({5, 3}, 6), {.tokens = true});
    result["pooled"] = text.pooled;
    result["tokens"] = text.tokens;
    return result;
  }

  std::map<std::string, Tensor> want;
  std::shared_ptr<Encoders> variant;
};

// Features of size 1 after some 60 float32 operations.
TEST_P(VariantParity, Features) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, value] : features(chirp({2, 4, 3, 16, 16})))
    EXPECT_TRUE(tensor_near(value, want.at("out." + name), 1e-5)) << name;
}

// Norm against norm. Attention keys' biases have no gradient but rounding, hence the floor.
TEST_P(VariantParity, GradientsOfEveryParameterAndOfThePixels) {
  Tensor pixels = chirp({2, 4, 3, 16, 16}).requires_grad_();
  Tensor loss = at::zeros({});
  for (const auto& [name, value] : features(pixels))
    loss = loss + (value * chirp(value.sizes())).sum();
  loss.backward();
  for (const auto& [name, parameter] : parameters_of(*variant)) {
    const auto found = want.find("grad." + name);
    if (found == want.end()) {
      const Tensor grad = parameter.grad();
      EXPECT_TRUE(!grad.defined() || grad.abs().max().item<float>() == 0) << name;
      continue;
    }
    ASSERT_TRUE(parameter.grad().defined()) << name;
    const double delta = (parameter.grad() - found->second).norm().item<double>();
    EXPECT_LE(delta, 1e-4 * found->second.norm().item<double>() + 1e-4) << name;
  }
  const Tensor by_frame = (pixels.grad() * chirp(pixels.sizes())).sum({2, 3, 4});
  EXPECT_TRUE(
      tensor_near(by_frame, want.at("pixels"), 1e-4 * want.at("pixels").norm().item<double>()));
}

INSTANTIATE_TEST_SUITE_P(
    All, VariantParity,
    testing::Values(
        Case{"clip_3d", "clip", "{linear_patch: 3d}"}, Case{"ts2_shift", "ts2_shift", "{}"},
        Case{"stan", "stan", "{depth: 2}"},
        Case{"dgl_transformer", "dgl",
             "{frames: 4, text_prompts: 2, frame_prompts: 2, global_prompts: 3}"},
        Case{"dgl_linear", "dgl",
             "{generator: linear, text_prompts: 2, frame_prompts: 2, global_prompts: 3}"},
        Case{"centerclip", "centerclip", "{clusters: ['1:2x6']}"}),
    [](const auto& parameter) { return parameter.param.fixture; });

TEST(PatchShift, TakesTheAuthorsTokens) {
  for (const int64_t length : {50, 197}) {
    const auto& golden = test::goldens().at("ts2_shift_L" + std::to_string(length));
    const Tensor steps = shift_steps(at::ones({1, 3}, at::kBool), length);  // [1, 3, L]
    const auto tokens = [&](int64_t frame, int64_t step) {
      const Tensor at = steps[0][frame].eq(step).nonzero().flatten();
      return std::vector<int64_t>(at.const_data_ptr<int64_t>(),
                                  at.const_data_ptr<int64_t>() + at.numel());
    };
    const auto previous = golden.at("prev").get<std::vector<int64_t>>();
    const auto next = golden.at("next").get<std::vector<int64_t>>();
    EXPECT_EQ(tokens(0, -1), std::vector<int64_t>{});  // no frame before the first
    EXPECT_EQ(tokens(1, -1), previous);
    EXPECT_EQ(tokens(2, -1), previous);
    EXPECT_EQ(tokens(0, 1), next);
    EXPECT_EQ(tokens(1, 1), next);
    EXPECT_EQ(tokens(2, 1), std::vector<int64_t>{});
  }
}

TEST(Medoids, AreTheAuthors) {
  const Tensor scale = 1 + 0.3 * at::arange(98, at::kDouble).sin();
  const Tensor x =
      (test::golden_frames(2, 98, 64).to(at::kDouble) * scale.unsqueeze(1)).to(at::kFloat);
  const Tensor want = test::golden("centerclip_medoids").to(at::kLong);
  for (const int64_t together : {0, 1, 16}) {
    EXPECT_TRUE(tensor_near(k_medoids(x, {.clusters = 8, .together = together}), want, 0))
        << together;
  }
}

TEST(Medoids, OfASegmentDoNotDependOnItsNeighbours) {
  torch::manual_seed(4);
  const Tensor x = at::randn({7, 40, 12}) * at::rand({7, 1, 1}) * 10;
  const Tensor whole = k_medoids(x, {.clusters = 6});
  for (const int64_t size : {1, 2, 5}) {
    std::vector<Tensor> parts;
    for (const Tensor& part : x.split(size)) parts.push_back(k_medoids(part, {.clusters = 6}));
    EXPECT_TRUE(tensor_near(at::cat(parts), whole, 0)) << size;
  }
}

// Doubles are chosen one after the other, never the same point twice.
TEST(Medoids, OfAllPointsAreAllPoints) {
  const Tensor x = at::cat({at::ones({1, 3, 4}), at::randn({1, 5, 4})}, 1);
  EXPECT_TRUE(tensor_near(k_medoids(x, {.clusters = 8}), at::arange(8).unsqueeze(0), 0));
}

TEST(Medoids, OfTheSpectralEmbeddingAreThoseOfASingularValueDecomposition) {
  auto want = test::load_fixture("encoders/spectral");
  const Tensor q = spectral_embedding(want["points"], 4, {.sigma = 2, .neighbours = 8});
  EXPECT_TRUE(tensor_near(k_medoids(q, {.clusters = 4}), want["ids"], 0));
}

}  // namespace
}  // namespace vtr::models
