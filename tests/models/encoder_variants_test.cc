// Every encoder that is a CLIP or a variant of one: what holds of all, and what they start as. What
// they compute: encoder_variants_parity_test.cc.
#include "support/error_of.h"
#include "support/meta.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include "vtr/core/error.h"
#include "vtr/models/towers.h"
#include "vtr/models/weights/copy.h"
#include "vtr/models/weights/export.h"

#include <ATen/autocast_mode.h>
#include <torch/types.h>

#include <map>

namespace vtr::models {
namespace {

using test::tensor_near;

std::map<std::string, Tensor> parameters_of(const Encoders& encoders) {
  std::map<std::string, Tensor> result;
  for (const auto& item : encoders.named_parameters()) result[item.key()] = item.value();
  return result;
}

using test::tiny_encoder_options;

std::shared_ptr<Encoders> tiny_variant(const std::string& encoder,
                                       const std::string& weights = "") {
  torch::manual_seed(3);
  const auto variant = encoders().find(encoder).make(tiny_encoder_options(encoder), weights);
  variant->eval();
  return variant;
}

class EveryClip : public testing::TestWithParam<std::string> {};

TEST_P(EveryClip, GivesTheFramesItSays) {
  const auto variant = tiny_variant(GetParam());
  const auto batch = test::tiny_batch();
  const bool patches = variant->info().gives.patches;
  const auto video = variant->encode_video(batch.pixels, batch.video_mask, {.patches = patches});
  const int64_t frames = variant->frames_given(4);
  EXPECT_EQ(video.frames.sizes(), (std::vector<int64_t>{3, frames, variant->info().width}));
  EXPECT_EQ(video.mask.sizes(), (std::vector<int64_t>{3, frames}));
  EXPECT_TRUE(video.mask.any(1).all().item<bool>());
  EXPECT_TRUE(video.frames.isfinite().all().item<bool>());
  EXPECT_EQ(video.patches.defined(), patches);
  const auto text = variant->encode_text(batch.ids, batch.text_mask, {.tokens = true});
  EXPECT_EQ(text.pooled.sizes(), (std::vector<int64_t>{3, 24}));
  EXPECT_EQ(text.tokens.sizes(), (std::vector<int64_t>{3, 9, 24}));
  const auto few = variant->encode_video(batch.pixels, batch.video_mask, {});
  EXPECT_TRUE(tensor_near(few.frames, video.frames, 1e-5));
  EXPECT_FALSE(few.patches.defined());
}

TEST_P(EveryClip, AStepRunsOnTheMetaDevice) {
  const auto variant = tiny_variant(GetParam());
  variant->train();
  test::to_meta(*variant);
  auto batch = test::tiny_batch();
  for (Tensor* tensor : {&batch.ids, &batch.text_mask, &batch.pixels, &batch.video_mask})
    *tensor = tensor->to(at::kMeta);
  const test::MetaMode mode;
  const auto video = variant->encode_video(batch.pixels, batch.video_mask, {});
  const auto text = variant->encode_text(batch.ids, batch.text_mask, {});
  at::matmul(text.pooled, video.frames.mean(1).t()).sum().backward();
  EXPECT_TRUE(video.mask.is_meta());
}

TEST_P(EveryClip, WhatIsTrainedHasAGradient) {
  const auto variant = tiny_variant(GetParam());
  const auto batch = test::tiny_batch();
  const auto video = variant->encode_video(batch.pixels, batch.video_mask, {});
  const auto text = variant->encode_text(batch.ids, batch.text_mask, {});
  at::matmul(text.pooled, video.frames.mean(1).t()).mul(variant->logit_scale()).sum().backward();
  for (const auto& [name, parameter] : parameters_of(*variant)) {
    if (!parameter.requires_grad()) continue;
    ASSERT_TRUE(parameter.grad().defined()) << name;
    EXPECT_TRUE(parameter.grad().isfinite().all().item<bool>()) << name;
  }
}

// What features a nudge of each parameter changes, held against the towers' hashes.
TEST_P(EveryClip, ATowersHashChangesWithEverythingItsFeaturesComeFrom) {
  const torch::NoGradGuard no_grad;
  const auto variant = tiny_variant(GetParam());
  const auto batch = test::tiny_batch();
  const auto frames = [&] {
    return variant->encode_video(batch.pixels, batch.video_mask, {}).frames;
  };
  const auto pooled = [&] { return variant->encode_text(batch.ids, batch.text_mask, {}).pooled; };
  const Tensor old_frames = frames(), old_pooled = pooled();
  const auto image = tower_hash(*variant, Tower::image), text = tower_hash(*variant, Tower::text);
  for (auto& [name, parameter] : parameters_of(*variant)) {
    const Tensor old = parameter.clone();
    parameter.add_(torch::randn_like(old));
    const bool sees = tower_hash(*variant, Tower::image) != image;
    const bool reads = tower_hash(*variant, Tower::text) != text;
    EXPECT_TRUE(sees || frames().equal(old_frames)) << name;
    EXPECT_TRUE(reads || pooled().equal(old_pooled)) << name;
    EXPECT_EQ(sees || reads, name != "logit_scale") << name;
    parameter.copy_(old);
  }
  EXPECT_EQ(tower_hash(*variant, Tower::image), image);
  EXPECT_EQ(tower_hash(*variant, Tower::text), text);
}

// A video's features are its own, whatever is beside it in the batch and behind its end.
TEST_P(EveryClip, AVideoStandsForItself) {
  const auto variant = tiny_variant(GetParam());
  const torch::NoGradGuard no_grad;
  auto batch = test::tiny_batch();
  batch.video_mask = test::lengths_mask({4, 3, 2}, 4);
  const auto whole = variant->encode_video(batch.pixels, batch.video_mask, {});
  const auto lower = [](const Tensor& mask) { return mask.logical_not().unsqueeze(-1); };
  for (int64_t i = 0; i < 3; ++i) {
    const Tensor mask = batch.video_mask.narrow(0, i, 1);
    Tensor pixels = batch.pixels.narrow(0, i, 1).clone();
    pixels.masked_fill_(lower(mask).unsqueeze(-1).unsqueeze(-1), 5.0);
    const auto alone = variant->encode_video(pixels, mask, {});
    EXPECT_TRUE(tensor_near(alone.mask, whole.mask.narrow(0, i, 1), 0));
    EXPECT_TRUE(tensor_near(alone.frames.masked_fill(lower(alone.mask), 0),
                            whole.frames.narrow(0, i, 1).masked_fill(lower(alone.mask), 0), 1e-5))
        << i;
  }
}

// bfloat16 keeps 8 bits; clusters may be others then.
TEST_P(EveryClip, AutocastIsFinite) {
  const auto variant = tiny_variant(GetParam());
  const auto batch = test::tiny_batch();
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const auto video = variant->encode_video(batch.pixels, batch.video_mask, {});
  const auto text = variant->encode_text(batch.ids, batch.text_mask, {});
  const Tensor sum = at::matmul(text.pooled, video.frames.mean(1).t()).to(at::kFloat).sum();
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  sum.backward();
  EXPECT_TRUE(sum.isfinite().item<bool>());
}

TEST_P(EveryClip, TakesCLIPsWeightsAsTheyAre) {
  const auto clip = tiny_variant("clip");
  const test::TempDir dir;
  export_safetensors(*clip, dir / "clip.safetensors", /*half=*/false);
  const auto variant = tiny_variant(GetParam(), (dir / "clip.safetensors").string());
  const auto own = parameters_of(*variant);
  for (const auto& [name, value] : parameters_of(*clip))
    EXPECT_TRUE(tensor_near(own.at(name), value, 0)) << name;
  for (const auto& [name, value] : own) EXPECT_TRUE(value.isfinite().all().item<bool>()) << name;
  if (GetParam() == "dgl") return;  // prompts are before every text
  const auto batch = test::tiny_batch();
  EXPECT_TRUE(tensor_near(variant->encode_text(batch.ids, batch.text_mask, {}).pooled,
                          clip->encode_text(batch.ids, batch.text_mask, {}).pooled, 1e-6));
}

// As a run's checkpoint: in safetensors under a prefix.
TEST_P(EveryClip, ItsOwnWeightsComeBackByName) {
  const auto& entry = encoders().find(GetParam());
  const auto variant = tiny_variant(GetParam());
  const test::TempDir dir;
  TensorMap tensors;
  for (const auto& [name, value] : parameters_of(*variant)) {
    torch::NoGradGuard no_grad;
    tensors.emplace_back("clip." + name, value.add_(0.01 * at::randn_like(value)));
  }
  save_safetensors(dir / "run.safetensors", tensors);
  const auto options = entry.infer(tiny_encoder_options(GetParam()), (dir / "run.safetensors").string());
  torch::manual_seed(9);
  const auto again = entry.make(options, (dir / "run.safetensors").string());
  const auto fresh = entry.make(options, "");
  TensorMap plain;
  for (const auto& [name, value] : tensors) plain.emplace_back(name.substr(5), value);
  copy_parameters(*fresh, plain, "run");
  again->eval();
  fresh->eval();
  const auto batch = test::tiny_batch();
  const auto frames = [&](Encoders& one) {
    return one.encode_video(batch.pixels, batch.video_mask, {}).frames;
  };
  EXPECT_TRUE(tensor_near(frames(*again), frames(*variant), 0));
  EXPECT_TRUE(tensor_near(frames(*fresh), frames(*variant), 0));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryClip, testing::ValuesIn(test::clip_names()),
                         [](const auto& parameter) { return parameter.param; });

// A variant with `options` on top of the tiny ones, started from the weights of the tiny CLIP.
class FromClip : public testing::Test {
 protected:
  void SetUp() override {
    clip = tiny_variant("clip");
    export_safetensors(*clip, dir / "clip.safetensors", /*half=*/false);
  }
  std::shared_ptr<Encoders> started(const std::string& encoder, const std::string& options) {
    config::Node node = test::tiny_clip_options();
    for (const auto& item : YAML::Load(options)) node[item.first.as<std::string>()] = item.second;
    const auto variant = encoders().find(encoder).make(node, (dir / "clip.safetensors").string());
    variant->eval();
    return variant;
  }
  Tensor frames(Encoders& one) {
    const torch::NoGradGuard no_grad;
    const auto video = one.encode_video(batch.pixels, batch.video_mask, {});
    return video.frames * video.mask.unsqueeze(-1);
  }
  test::TempDir dir;
  std::shared_ptr<Encoders> clip;
  test::TinyBatch batch = test::tiny_batch();
};

TEST_F(FromClip, PatchesOverTimeStartAsPatches) {
  EXPECT_TRUE(tensor_near(frames(*started("clip", "{linear_patch: 3d}")), frames(*clip), 1e-5));
}

TEST_F(FromClip, NoShiftIsCLIPAndNeitherIsAShiftOfOneFrame) {
  EXPECT_TRUE(tensor_near(frames(*started("ts2_shift", "{shift_layers: 0}")), frames(*clip), 1e-5));
  const auto shift = started("ts2_shift", "{}");
  EXPECT_FALSE(tensor_near(frames(*shift), frames(*clip), 1e-3));
  batch.video_mask = test::lengths_mask({1, 1, 1}, 4);
  EXPECT_TRUE(tensor_near(frames(*shift), frames(*clip), 1e-5));
}

TEST_F(FromClip, ClustersOfEveryTokenAreCLIP) {
  EXPECT_TRUE(tensor_near(frames(*started("centerclip", "{clusters: []}")), frames(*clip), 1e-5));
  EXPECT_TRUE(
      tensor_near(frames(*started("centerclip", "{clusters: ['1:4x16']}")), frames(*clip), 1e-5));
}

// The branch is no CLIP even at its start, but its temporal attention adds nothing yet and its
// spatial layers are CLIP's blocks.
TEST_F(FromClip, TheBranchStartsAsCLIPsBlocksWithoutTemporalAttention) {
  const auto stan = started("stan", "{depth: 2}");
  const auto own = parameters_of(*stan);
  const Tensor before = frames(*stan);
  EXPECT_FALSE(tensor_near(before, frames(*clip), 1e-3));
  const torch::NoGradGuard no_grad;
  own.at("STAN_T_layers.1.self_attn.out_proj.weight").mul_(3);
  EXPECT_TRUE(tensor_near(frames(*stan), before, 0));
  const std::string block = "visual.transformer.resblocks.1.";
  const Tensor joined = at::cat({own.at("STAN_S_layers.1.self_attn.q_proj.weight"),
                                 own.at("STAN_S_layers.1.self_attn.k_proj.weight"),
                                 own.at("STAN_S_layers.1.self_attn.v_proj.weight")});
  EXPECT_TRUE(tensor_near(joined, own.at(block + "attn.in_proj_weight"), 0));
  EXPECT_TRUE(tensor_near(own.at("STAN_S_layers.1.mlp.fc2.weight"),
                          own.at(block + "mlp.c_proj.weight"), 0));
  EXPECT_TRUE(
      tensor_near(own.at("STAN_S_layers.1.layer_norm2.bias"), own.at(block + "ln_2.bias"), 0));
}

TEST_F(FromClip, PathsAreDroppedInTrainingOnly) {
  const auto stan = started("stan", "{depth: 2}");
  EXPECT_TRUE(tensor_near(frames(*stan), frames(*stan), 0));
  const Tensor kept = frames(*stan);
  stan->train();
  torch::manual_seed(1);
  int64_t changed = 0;
  for (int64_t i = 0; i < 10; ++i) changed += !tensor_near(frames(*stan), kept, 1e-4);
  EXPECT_GT(changed, 3);  // of 8 frames one in ten is dropped
}

TEST_F(FromClip, OnlyPromptsTrain) {
  for (const std::string generator : {"transformer", "linear"}) {
    const auto dgl = started("dgl", "{generator: " + generator + "}");
    const auto pretrained = parameters_of(*clip);
    for (const auto& [name, value] : parameters_of(*dgl)) {
      const bool used = !pretrained.contains(name) && !name.starts_with("postfix_text_prompt");
      EXPECT_EQ(value.requires_grad(), used) << name;
    }
  }
}

// The authors' counts, at the widths of ViT-B/32 (and of its 12 layers, which the prompts are for).
TEST(EncoderVariants, AddAsManyParametersAsTheAuthorsDo) {
  const auto added = [](const std::string& encoder, const std::string& options) {
    const std::string sizes = "{vocab: 100, vision_layers: 4, text_layers: 12";
    const auto variant = encoders().find(encoder).make(YAML::Load(sizes + options + "}"), "");
    int64_t count = 0;
    for (const auto& [name, value] : parameters_of(*variant)) {
      const bool prompt = name.find("prompt") != std::string::npos || name.starts_with("Prompt");
      if (prompt || name.starts_with("STAN_")) count += value.numel();
    }
    return count;
  };
  EXPECT_EQ(added("stan", ""), 28'351'488 + 11'817'984 + 49'152);
  EXPECT_EQ(added("dgl", ""), 9'575'168);
  EXPECT_EQ(added("dgl", ", generator: linear"), 827'392);
}

TEST_F(FromClip, PaddingIsSeenOnRequest) {
  for (const std::string encoder : {"ts2_shift", "stan", "dgl"}) {
    const std::string more = encoder == "stan" ? ", depth: 2}" : "}";
    const auto hidden = started(encoder, "{see_padding: false" + more);
    const auto seeing = started(encoder, "{see_padding: true" + more);
    const TensorMap weights = [&] {
      TensorMap result;
      for (const auto& [name, value] : parameters_of(*hidden)) result.emplace_back(name, value);
      return result;
    }();
    copy_parameters(*seeing, weights, encoder);
    const Tensor before = frames(*seeing);
    EXPECT_FALSE(tensor_near(before, frames(*hidden), 1e-4)) << encoder;
    const Tensor mask = batch.video_mask;
    batch.video_mask = at::ones_like(mask);
    const Tensor whole = frames(*seeing);
    batch.video_mask = mask;
    const Tensor shown = before.size(1) == 1 ? mask.narrow(1, 0, 1) : mask;
    EXPECT_TRUE(tensor_near(before, whole * shown.unsqueeze(-1), 1e-6)) << encoder;
  }
}

TEST_F(FromClip, AnArchiveOfImagesIsRefused) {
  for (const auto& variant :
       {started("stan", "{depth: 2}"), started("clip", "{linear_patch: 3d}")}) {
    EXPECT_THROW(export_torchscript(*variant, dir / "no.pt", /*half=*/false), Error);
    export_safetensors(*variant, dir / "yes.safetensors", /*half=*/false);
  }
  const auto& entry = encoders().find("clip");
  const auto inferred = entry.infer({}, (dir / "yes.safetensors").string());
  EXPECT_EQ(inferred["linear_patch"].Scalar(), "3d");
  EXPECT_THROW(entry.infer(YAML::Load("{linear_patch: 2d}"), (dir / "yes.safetensors").string()),
               Error);
}

void refused(const std::string& encoder, const std::string& options, const std::string& part,
             int64_t frames = 4) {
  const auto make = [&] {
    config::Node node = test::tiny_clip_options();
    for (const auto& item : YAML::Load(options)) node[item.first.as<std::string>()] = item.second;
    encoders().find(encoder).make(node, "")->frames_given(frames);
  };
  test::expect_error(make, part);
}

TEST(EncoderVariants, WhatCannotBeIsRefused) {
  refused("ts2_shift", "{shift_layers: 3}", "3 of 2 blocks");
  refused("ts2_shift", "{patch: 16}", "leaves 5 tokens a frame");
  refused("stan", "{}", "4 layers beside 2 blocks");
  refused("stan", "{depth: 1}", "64 frames, not 65", 65);
  refused("dgl", "{frames: 3}", "prompts for 3 frames, but videos have 4");
  refused("dgl", "{generator: linear, text_prompts: 2}", "one of every frame prompt");
  refused("centerclip", "{clusters: ['1:3x9']}", "4 frames (video.frames) make no 3 segments");
  refused("centerclip", "{clusters: ['1:2*9']}", "not BLOCK:SEGMENTSxTOKENS");
  refused("centerclip", "{clusters: ['2:2x9']}", "below 2");
  refused("centerclip", "{clusters: ['1:2x9', '1:1x9']}", "blocks ascend");
}

}  // namespace
}  // namespace vtr::models
