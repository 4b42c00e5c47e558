// Training steps and evaluations on the meta device, where a tensor left behind on the CPU is an
// error: what would go wrong on a GPU, without one.
//
// The one place that asks the device for a value is the early stop of k-medoids in CenterCLIP
// (src/models/clip/variants/cluster.cc): on meta it takes one round. What its rounds compute is
// held against the authors' in tests/models/encoder_variants_parity_test.cc. A TorchScript module
// is not here: its convolutions have no meta kernel under the interpreter.
#include "support/meta.h"

#include "optimizer.h"
#include "step.h"
#include "support/tiny_retriever.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::train {
namespace {

constexpr int64_t kPairs = 4;

TrainOptions options_with(int64_t micro_batch, const std::string& optimizer = "adamw") {
  TrainOptions options;
  options.batch = kPairs;
  options.micro_batch = micro_batch;
  options.optimizer.name = optimizer;
  return options;
}

// The model loses its values on the way.
void train_and_evaluate(models::Retriever& model, const std::vector<TrainOptions>& ways) {
  const auto batch = test::tiny_training_batch(kPairs);
  test::to_meta(model);
  const test::MetaMode mode;
  dist::Group alone;
  for (const auto& options : ways) {
    model.train();
    Step step(model, options, alone);
    Optimizer optimizer(model, options);
    optimizer.zero_grad();
    const Tensor loss = step.backward(batch);
    EXPECT_TRUE(loss.is_meta());
    EXPECT_TRUE(optimizer.clipped_step(/*factor=*/1).skip.is_meta());
  }
  const torch::NoGradGuard no_grad;
  model.eval();
  auto& head = model.head();
  const auto [text, video] =
      std::pair(head.text(model.encode_text(batch.text.ids, batch.text.mask, "fp32", head.wants())),
                head.video(model.encode_video(batch.video.pixels, batch.video.mask,
                                              batch.video.times, "fp32", head.wants())));
  const Tensor sim = models::score_blocked(head, text, video, {.workspace_mb = 1});
  EXPECT_TRUE(sim.is_meta());
  EXPECT_EQ(sim.sizes(), (std::vector<int64_t>{kPairs, kPairs}));
}

config::Choice head_of(const std::string& name) {
  return {name, models::heads().find(name).schema.resolve({}, "model.head")};
}

class HeadOnMeta : public testing::TestWithParam<std::string> {};
TEST_P(HeadOnMeta, TrainsAndEvaluatesOnItsDevice) {
  auto head = head_of(GetParam());
  auto again = options_with(0);
  again.checkpoint_activations = "blocks";
  train_and_evaluate(*test::tiny_retriever(head, test::tiny_clip_options()),
                     {options_with(0), again});
  if (head.options["batch_norm"]) head.options["batch_norm"] = false;  // none of parts of a batch
  train_and_evaluate(*test::tiny_retriever(head, test::tiny_clip_options()), {options_with(2)});
}
INSTANTIATE_TEST_SUITE_P(Table, HeadOnMeta, testing::ValuesIn(models::heads().names()),
                         [](const auto& name) { return name.param; });

class EncodersOnMeta : public testing::TestWithParam<std::string> {};
TEST_P(EncodersOnMeta, TrainAndEvaluateOnTheirDevice) {
  const std::string& name = GetParam();
  const auto model = test::tiny_retriever(head_of("joint"),
                                          config::Choice{name, test::tiny_encoder_options(name)});
  train_and_evaluate(*model, {options_with(0), options_with(2)});
}
INSTANTIATE_TEST_SUITE_P(Table, EncodersOnMeta, testing::ValuesIn(test::clip_names()),
                         [](const auto& name) { return name.param; });

class OptimizerOnMeta : public testing::TestWithParam<std::string> {};
TEST_P(OptimizerOnMeta, UpdatesOnItsDevice) {
  const auto model = test::tiny_retriever(head_of("joint"), test::tiny_clip_options());
  train_and_evaluate(*model, {options_with(0, GetParam())});
}
INSTANTIATE_TEST_SUITE_P(Table, OptimizerOnMeta, testing::ValuesIn(optimizers().names()),
                         [](const auto& name) { return name.param; });

class LossOnMeta : public testing::TestWithParam<std::string> {};
TEST_P(LossOnMeta, IsOnItsDevice) {
  const auto model = test::tiny_retriever(head_of("joint"), test::tiny_clip_options());
  auto options = options_with(0);
  options.loss = {GetParam(), losses::losses().find(GetParam()).schema.resolve({}, "train.loss")};
  train_and_evaluate(*model, {options});
}
INSTANTIATE_TEST_SUITE_P(Table, LossOnMeta, testing::ValuesIn(losses::losses().names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace vtr::train
