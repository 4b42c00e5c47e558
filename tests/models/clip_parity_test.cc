// Held against transformers' CLIPModel in double: scripts/make_clip_fixtures.py.
#include "support/fixture.h"
#include "support/tensor_near.h"

#include "vtr/core/random.h"
#include "vtr/models/encoders.h"
#include "vtr/models/weights/copy.h"

#include <torch/optim/adamw.h>
#include <torch/types.h>

#include <cmath>
#include <map>

namespace vtr::models {
namespace {

using test::tensor_near;

const std::string kFixtures = VTR_FIXTURES "/models/";

std::shared_ptr<Encoders> open_tiny() {
  return encoders().find("clip").make({}, kFixtures + "clip_tiny");
}

// True up to and with the end token, the largest id.
Tensor mask_of(const Tensor& ids) {
  return at::arange(ids.size(1)).unsqueeze(0).le(ids.argmax(1, /*keepdim=*/true));
}

// transformers' loss: both directions' cross-entropy of the scaled cosines, halved.
Tensor loss_of(Encoders& clip, const Tensor& pixels, const Tensor& ids) {
  const auto unit = [](const Tensor& x) { return x / x.norm(2, -1, true); };
  const Tensor mask = at::ones({pixels.size(0), 1}, at::kBool);
  const Tensor image = unit(clip.encode_video(pixels.unsqueeze(1), mask, {}).frames.squeeze(1));
  const Tensor text = unit(clip.encode_text(ids, mask_of(ids), {}).pooled);
  const Tensor sim = at::matmul(text, image.t()) * clip.logit_scale().exp();
  const Tensor labels = at::arange(sim.size(0));
  return (at::cross_entropy_loss(sim, labels) + at::cross_entropy_loss(sim.t(), labels)) / 2;
}

// Features are of size 1 and come out of some 50 float32 operations: a few 1e-7 each at best.
TEST(ClipParity, FeaturesOfATinyModel) {
  auto want = test::load_fixture("models/clip_tiny");
  const auto clip = open_tiny();
  const torch::NoGradGuard no_grad;
  const Tensor pixels = want["pixels"][0].unsqueeze(1), ids = want["ids"][0];  // [4, 1, 3, 32, 32]
  const Tensor mask = at::ones({4, 1}, at::kBool);
  const auto video = clip->encode_video(pixels, mask, {.patches = true});
  EXPECT_TRUE(tensor_near(video.frames.squeeze(1), want["image"], 1e-5));
  EXPECT_TRUE(tensor_near(video.patches.squeeze(1), want["patches"], 1e-5));
  const auto text = clip->encode_text(ids, mask_of(ids), {.tokens = true});
  EXPECT_TRUE(tensor_near(text.pooled, want["text"], 1e-5));
  EXPECT_TRUE(tensor_near(text.tokens, want["tokens"], 1e-5));
  // The shorter way, taken when only the pooled features are wanted.
  EXPECT_TRUE(
      tensor_near(clip->encode_video(pixels, mask, {}).frames.squeeze(1), want["image"], 1e-5));
  EXPECT_TRUE(tensor_near(clip->encode_text(ids, mask_of(ids), {}).pooled, want["text"], 1e-5));
}

// Norm against norm: 1e-4 is a hundred times what float32 loses, and a tenth of what any wrong term
// would show.
TEST(ClipParity, GradientsOfEveryParameter) {
  auto want = test::load_fixture("models/clip_tiny");
  const auto clip = open_tiny();
  loss_of(*clip, want["pixels"][0], want["ids"][0]).backward();
  double worst = 0;
  for (const auto& item : clip->named_parameters()) {
    const Tensor& expected = want.at("grad." + item.key());
    const double delta = (item.value().grad() - expected).norm().item<double>();
    const double norm = expected.norm().item<double>();
    EXPECT_LE(delta, 1e-4 * norm) << item.key() << ": " << delta << " of " << norm;
    worst = std::max(worst, delta / norm);
  }
  RecordProperty("worst", std::to_string(worst));
}

// Losses fall from 2.3 to 0.7; AdamW magnifies the rounding of small gradients, hence 1e-4.
TEST(ClipParity, TenStepsOfAdamW) {
  auto want = test::load_fixture("models/clip_tiny");
  const auto clip = open_tiny();
  torch::optim::AdamW optimizer(
      clip->parameters(),
      torch::optim::AdamWOptions(1e-3).betas({0.9, 0.98}).eps(1e-6).weight_decay(0.2));
  std::vector<double> losses;
  for (int64_t step = 0; step < want["losses"].size(0); ++step) {
    optimizer.zero_grad();
    const Tensor loss = loss_of(*clip, want["pixels"][step % 2], want["ids"][step % 2]);
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item<double>());
  }
  EXPECT_TRUE(tensor_near(torch::tensor(losses), want["losses"], 1e-4));
}

// The script's `hashed`.
Tensor hashed(const std::string& name, at::IntArrayRef shape) {
  uint64_t seed = mix(0);
  for (const unsigned char c : name) seed = mix(seed ^ c);
  Tensor result = at::empty(shape);
  auto* values = result.mutable_data_ptr<float>();
  for (int64_t i = 0; i < result.numel(); ++i) {
    const auto bits = static_cast<int64_t>(mix(seed + static_cast<uint64_t>(i)) >> 40);
    values[i] = static_cast<float>(bits - (1 << 23)) / (1 << 23);
  }
  return result;
}

double scale(const std::string& name, const Tensor& tensor) {
  if (tensor.dim() < 2 || name.find("embedding") != std::string::npos) return 0.25;
  const bool rows_in = name.ends_with("proj") || name == "text_projection";
  const int64_t fan_in = rows_in ? tensor.size(0) : tensor.numel() / tensor.size(0);
  return std::exp2(std::round(std::log2(std::sqrt(3.0 / static_cast<double>(fan_in)))));
}

TensorMap hashed_weights(const Encoders& clip) {
  TensorMap weights;
  for (const auto& item : clip.named_parameters()) {
    Tensor value = hashed(item.key(), item.value().sizes()) * scale(item.key(), item.value());
    if (item.key().find("ln_") != std::string::npos && item.key().ends_with("weight")) value += 1;
    weights.emplace_back(item.key(), value);
  }
  return weights;
}

// Two layers at ViT-B/32's true widths: sums of up to 3,072 products, features of size 1.
TEST(ClipParity, FeaturesAtTheWidthsOfViTB32) {
  auto want = test::load_fixture("models/clip_slice");
  const auto clip = encoders().find("clip").make(
      YAML::Load("{vision_layers: 2, text_layers: 2, vocab: 1000}"), "");
  copy_parameters(*clip, hashed_weights(*clip), "hash");
  Tensor ids = (hashed("ids", {2, 77}).to(at::kDouble) * 499 + 500).to(at::kLong);
  ids.select(1, 76).fill_(999);
  ids[1].narrow(0, 21, 56).zero_();
  ids[1][20] = 999;
  const torch::NoGradGuard no_grad;
  const Tensor pixels = hashed("pixels", {2, 3, 224, 224}).mul_(2).unsqueeze(1);
  const Tensor image =
      clip->encode_video(pixels, at::ones({2, 1}, at::kBool), {}).frames.squeeze(1);
  EXPECT_TRUE(tensor_near(image, want["image"], 1e-5));
  EXPECT_TRUE(tensor_near(clip->encode_text(ids, mask_of(ids), {}).pooled, want["text"], 1e-5));
  RecordProperty("image", std::to_string(test::max_delta(image, want["image"])));
}

}  // namespace
}  // namespace vtr::models
