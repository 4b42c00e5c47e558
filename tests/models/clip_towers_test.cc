#include "support/meta.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/core/error.h"

#include <ATen/autocast_mode.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::models {
namespace {

using test::tensor_near;
using test::tiny_batch;
using test::tiny_clip;

Tensor loss_of(Encoders& clip, const test::TinyBatch& batch) {
  const auto video = clip.encode_video(batch.pixels, batch.video_mask, {.patches = true});
  const auto text = clip.encode_text(batch.ids, batch.text_mask, {.tokens = true});
  const Tensor sim = at::matmul(text.pooled, video.frames.mean(1).t());
  return (sim.to(at::kFloat) * clip.logit_scale().exp()).log_softmax(1).diagonal().mean().neg() +
         video.patches.mean() + text.tokens.mean();
}

std::string usage_error(const std::string& options) {
  try {
    encoders().find("clip").make(YAML::Load(options), "");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClipTowers, ShapesOfEveryFeature) {
  const auto clip = tiny_clip();
  const auto batch = tiny_batch();
  const auto text = clip->encode_text(batch.ids, batch.text_mask, {.tokens = true});
  EXPECT_EQ(text.pooled.sizes(), (std::vector<int64_t>{3, 24}));
  EXPECT_EQ(text.tokens.sizes(), (std::vector<int64_t>{3, 9, 24}));
  const auto video = clip->encode_video(batch.pixels, batch.video_mask, {.patches = true});
  EXPECT_EQ(video.frames.sizes(), (std::vector<int64_t>{3, 4, 24}));
  EXPECT_EQ(video.patches.sizes(), (std::vector<int64_t>{3, 4, 16, 24}));
  EXPECT_FALSE(clip->encode_text(batch.ids, batch.text_mask, {}).tokens.defined());
  EXPECT_FALSE(clip->encode_video(batch.pixels, batch.video_mask, {}).patches.defined());
}

// Two ways to the same numbers, summed in another order: float32's rounding.
TEST(ClipTowers, WantingMoreChangesNothing) {
  const auto clip = tiny_clip();
  const auto batch = tiny_batch();
  const auto all = clip->encode_video(batch.pixels, batch.video_mask, {.patches = true});
  EXPECT_TRUE(
      tensor_near(clip->encode_video(batch.pixels, batch.video_mask, {}).frames, all.frames, 1e-5));
  const auto text = clip->encode_text(batch.ids, batch.text_mask, {.tokens = true});
  EXPECT_TRUE(
      tensor_near(clip->encode_text(batch.ids, batch.text_mask, {}).pooled, text.pooled, 1e-5));
}

TEST(ClipTowers, PaddingDoesNotReachAText) {
  const auto clip = tiny_clip();
  const auto batch = tiny_batch();
  const auto whole = clip->encode_text(batch.ids, batch.text_mask, {}).pooled;
  const Tensor ids = batch.ids.narrow(1, 0, 5).narrow(0, 1, 1), mask = at::ones({1, 5}, at::kBool);
  EXPECT_TRUE(tensor_near(clip->encode_text(ids, mask, {}).pooled, whole.narrow(0, 1, 1), 1e-5));
  const Tensor other = at::where(batch.text_mask, batch.ids, at::full({}, 7, at::kLong));
  EXPECT_TRUE(tensor_near(clip->encode_text(other, batch.text_mask, {}).pooled, whole, 1e-6));
}

TEST(ClipTowers, TheEndTokenIsTheLastTrueOfTheMask) {
  const auto clip = tiny_clip();
  const Tensor ids = at::full({1, 6}, 5, at::kLong);
  const auto text = clip->encode_text(ids, test::lengths_mask({3}, 6), {.tokens = true});
  EXPECT_TRUE(tensor_near(text.pooled[0], text.tokens[0][2], 0));
}

TEST(ClipTowers, WrongInputsAreNamed) {
  const auto clip = tiny_clip();
  const auto batch = tiny_batch();
  const Tensor ids = at::zeros({1, 17}, at::kLong);
  EXPECT_THROW(clip->encode_text(ids, at::ones_like(ids, at::kBool), {}), Error);
  EXPECT_THROW(clip->encode_text(batch.ids, batch.text_mask.narrow(1, 0, 3), {}), Error);
  EXPECT_THROW(clip->encode_video(batch.pixels.narrow(4, 0, 16), batch.video_mask, {}), Error);
  EXPECT_THROW(clip->encode_video(batch.pixels[0], batch.video_mask, {}), Error);
}

TEST(ClipTowers, OptionsAreChecked) {
  EXPECT_NE(usage_error("{patch: 30}").find("30 does not divide"), std::string::npos);
  EXPECT_NE(usage_error("{vision_width: 32}").find("vision_heads: 0 heads"), std::string::npos);
  EXPECT_NE(usage_error("{text_heads: 7}").find("7 heads do not divide"), std::string::npos);
  EXPECT_NE(usage_error("{activation: relu}").find("not one of"), std::string::npos);
}

TEST(ClipTowers, ResolvedOptionsRebuildTheTowers) {
  const auto& entry = encoders().find("clip");
  const auto resolved = entry.infer(test::tiny_clip_options(), "");
  EXPECT_EQ(resolved["vision_heads"].as<int>(), 3);
  EXPECT_EQ(entry.infer({}, "")["vision_heads"].as<int>(), 12);
  const auto info = entry.make(resolved, "")->info();
  EXPECT_EQ(info.width, 24);
  EXPECT_EQ(info.resolution, 32);
  EXPECT_EQ(info.context, 16);
  EXPECT_EQ(info.vocab, 100);
}

// Standard deviations of thousands of draws lie within 5 % of their target.
TEST(ClipTowers, InitialisationIsOpenAIs) {
  torch::manual_seed(3);
  const auto clip = encoders().find("clip").make(
      YAML::Load(
          "{vision_width: 192, vision_layers: 1, text_width: 128, text_layers: 3, vocab: 500, "
          "embed_dim: 96, patch: 16, image_resolution: 64}"),
      "");
  const auto parameters = clip->named_parameters();
  const auto has_std = [&](const std::string& name, double want) {
    const double got = parameters[name].std().item<double>();
    EXPECT_NEAR(got / want, 1, 0.05) << name << " " << got << " " << want;
  };
  has_std("token_embedding.weight", 0.02);
  has_std("positional_embedding", 0.01);
  has_std("text_projection", std::pow(128, -0.5));
  has_std("transformer.resblocks.2.attn.in_proj_weight", std::pow(128, -0.5));
  has_std("transformer.resblocks.2.attn.out_proj.weight", std::pow(128 * 2 * 3, -0.5));
  has_std("transformer.resblocks.2.mlp.c_fc.weight", std::pow(2 * 128, -0.5));
  has_std("transformer.resblocks.2.mlp.c_proj.weight", std::pow(128 * 2 * 3, -0.5));
  has_std("visual.proj", std::pow(192, -0.5));
  has_std("visual.positional_embedding", std::pow(192, -0.5));
  has_std("visual.conv1.weight", std::pow(3 * (3 * 16 * 16), -0.5));  // uniform in +-sqrt(1 / in)
  has_std("visual.transformer.resblocks.0.mlp.c_fc.weight", std::pow(3 * 192, -0.5));
  has_std("visual.transformer.resblocks.0.attn.in_proj_weight",
          std::sqrt(2.0 / (4 * 192)));  // Xavier
  EXPECT_EQ(
      parameters["visual.transformer.resblocks.0.attn.in_proj_bias"].abs().max().item<float>(), 0);
  EXPECT_NEAR(clip->logit_scale().item<double>(), std::log(1 / 0.07), 1e-6);
}

TEST(ClipTowers, OneSeedOneInitialisation) {
  const auto a = tiny_clip(5)->parameters(), b = tiny_clip(5)->parameters();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(tensor_near(a[i], b[i], 0));
}

TEST(ClipTowers, EveryParameterHasAFiniteGradient) {
  const auto clip = tiny_clip();
  loss_of(*clip, tiny_batch()).backward();
  for (const auto& item : clip->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

TEST(ClipTowers, PaddedFramesGiveNumbers) {
  const auto clip = tiny_clip();
  auto batch = tiny_batch();
  batch.pixels.mul_(batch.video_mask.unsqueeze(-1).unsqueeze(-1).unsqueeze(-1));
  const auto frames = clip->encode_video(batch.pixels, batch.video_mask, {}).frames;
  EXPECT_TRUE(frames.isfinite().all().item<bool>());
}

TEST(ClipTowers, AStepRunsOnTheMetaDevice) {
  const auto clip = tiny_clip();
  test::to_meta(*clip);
  auto batch = tiny_batch();
  for (Tensor* tensor : {&batch.ids, &batch.text_mask, &batch.pixels, &batch.video_mask}) {
    *tensor = tensor->to(at::kMeta);
  }
  const test::MetaMode mode;
  loss_of(*clip, batch).backward();
  for (const auto& item : clip->named_parameters()) {
    EXPECT_TRUE(item.value().grad().is_meta()) << item.key();
  }
  const auto cpu = tiny_batch();  // and such a mistake is seen
  EXPECT_ANY_THROW(clip->encode_text(cpu.ids, batch.text_mask, {}));
  EXPECT_ANY_THROW(clip->encode_video(cpu.pixels, batch.video_mask, {}));
}

// bfloat16 keeps 8 bits: features of size 1 after some 20 rounded operations.
TEST(ClipTowers, AutocastIsFiniteAndNear) {
  const auto clip = tiny_clip();
  const auto batch = tiny_batch();
  const auto want = clip->encode_video(batch.pixels, batch.video_mask, {}).frames;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const auto got = clip->encode_video(batch.pixels, batch.video_mask, {}).frames;
  const Tensor loss = loss_of(*clip, batch);
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  loss.backward();
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(tensor_near(got, want, 0.1));
  for (const auto& item : clip->named_parameters()) {
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

// Below full precision attention takes another way; on CPUs with bfloat16 units the products keep 8
// bits, on others they are the same.
TEST(ClipTowers, LowerMatmulPrecisionIsNear) {
  const auto clip = tiny_clip();
  const auto batch = tiny_batch();
  const torch::NoGradGuard no_grad;
  const auto features = [&] {
    return std::pair(clip->encode_video(batch.pixels, batch.video_mask, {}).frames,
                     clip->encode_text(batch.ids, batch.text_mask, {}).pooled);
  };
  const auto want = features();
  at::globalContext().setFloat32MatmulPrecision("medium");
  const auto got = features();
  at::globalContext().setFloat32MatmulPrecision("highest");
  EXPECT_TRUE(tensor_near(got.first, want.first, 0.1));
  EXPECT_TRUE(tensor_near(got.second, want.second, 0.1));
}

}  // namespace
}  // namespace vtr::models
