#include "memory.h"

#include "step.h"
#include "support/peak_memory.h"
#include "support/tiny_retriever.h"

#include "vtr/train/measure.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::train {
namespace {

constexpr int64_t kPairs = 128;

// A wide enough tower that its blocks outweigh everything else.
std::shared_ptr<models::Retriever> model() {
  auto encoder = test::tiny_clip_options();
  encoder["patch"] = 4;
  encoder["vision_layers"] = 4;
  return test::tiny_retriever({"mean_pool", {}}, encoder);
}

struct Bytes {
  double expected, measured;
};

Bytes bytes_of(const TrainOptions& options) {
  const auto net = model();
  dist::Group alone;
  Step step(*net, options, alone);
  const auto expected = expected_memory(*net, {}, options, 1,
                                        {.frames = test::kTinyFrames, .words = test::kTinyWords});
  const auto batch = test::tiny_training_batch(kPairs);
  const test::PeakMemory peak;
  step.backward(batch);
  return {static_cast<double>(expected.activations + expected.gradients),
          static_cast<double>(peak.bytes())};
}

// A quarter: what is outside the blocks, and what the way back makes beside what it was left.
TEST(Memory, IsExpectedAsItIsMeasured) {
  TrainOptions options;
  options.batch = kPairs;
  for (const std::string precision : {"fp32", "bf16"}) {
    for (const std::string checkpoint : {"none", "blocks"}) {
      for (const int64_t micro_batch : {0, 32}) {
        options.precision = precision;
        options.checkpoint_activations = checkpoint;
        options.micro_batch = micro_batch;
        const auto [expected, measured] = bytes_of(options);
        EXPECT_NEAR(expected / measured, 1, 0.25)
            << precision << ", " << checkpoint << ", " << micro_batch << ": " << expected << " and "
            << measured;
      }
    }
  }
}

TEST(Memory, FrozenTowersKeepNothing) {
  const auto net = model();
  TrainOptions options;
  options.batch = kPairs;
  const models::ItemSize item{.frames = 4, .words = 9};
  const auto all = expected_memory(*net, {}, options, 1, item);
  for (auto& parameter : net->encoders().named_parameters()) {
    if (parameter.key().starts_with("visual.")) parameter.value().set_requires_grad(false);
  }
  const auto frozen = expected_memory(*net, {}, options, 1, item);
  EXPECT_LT(frozen.activations, all.activations / 4);
  EXPECT_LT(frozen.gradients, all.gradients);
  EXPECT_EQ(frozen.parameters, all.parameters);
  EXPECT_EQ(expected_memory(*net, {}, options, 2, item).activations, frozen.activations / 2);
  const auto shared = expected_memory(*net, {}, options, 1, item, /*captions_per_video=*/2);
  EXPECT_LT(shared.activations, frozen.activations) << "half as many videos to score";
}

TEST(Memory, PeakIsWhatTheProcessHas) {
  const int64_t before = peak_memory(torch::kCPU);
  const Tensor large = torch::ones({64 << 20}, torch::kByte);
  EXPECT_GE(peak_memory(torch::kCPU), before);
  EXPECT_GE(peak_memory(torch::kCPU), int64_t{64} << 20);
}

TEST(Memory, ThePeakStartsAgainFromWhatIsHeld) {
  const int64_t size = int64_t{256} << 20;
  torch::ones({size}, torch::kByte);
  const int64_t held = reset_peak_memory(torch::kCPU);
  EXPECT_LT(peak_memory(torch::kCPU), held + size / 4);
  const Tensor large = torch::ones({size}, torch::kByte);
  EXPECT_GE(peak_memory(torch::kCPU), held + size / 2);
}

}  // namespace
}  // namespace vtr::train
