#include "step.h"

#include "support/error_of.h"
#include "support/peak_memory.h"
#include "support/ranks.h"
#include "support/tensor_near.h"
#include "support/tiny_retriever.h"

#include "vtr/eval/flops.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::train {
namespace {

using test::tensor_near;

constexpr int64_t kPairs = 8;
constexpr int64_t kSeed = 5;

TrainOptions with_micro_batch(int64_t pairs) {
  TrainOptions options;
  options.batch = kPairs;
  options.micro_batch = pairs;
  return options;
}

std::shared_ptr<models::Retriever> model_with(const std::string& head,
                                              const std::string& more = "{}") {
  auto options = models::heads().find(head).schema.resolve(YAML::Load(more), "model.head");
  if (options["batch_norm"]) options["batch_norm"] = false;
  return test::tiny_retriever({head, options}, test::tiny_clip_options());
}

std::vector<Tensor> gradients_of(models::Retriever& model) {
  std::vector<Tensor> result;
  for (auto& item : model.named_parameters()) {
    const Tensor& gradient = item.value().grad();
    result.push_back(gradient.defined() ? gradient.clone() : torch::zeros_like(item.value()));
    item.value().mutable_grad().reset();
  }
  return result;
}

struct Result {
  double loss;
  std::vector<Tensor> gradients;
};

Result step(models::Retriever& model, const TrainOptions& options, const data::Batch& batch,
            const Tensor& factor = {}) {
  dist::Group alone;
  Step step(model, options, alone);
  torch::manual_seed(kSeed);
  const double loss = step.backward(batch, factor).item<double>();
  return {loss, gradients_of(model)};
}

// As the definition has it: all states with their graphs, drawn micro-batch by micro-batch, one
// loss, one way back.
Result reference(models::Retriever& model, const TrainOptions& options, const data::Batch& batch) {
  torch::manual_seed(kSeed);
  auto& head = model.head();
  std::vector<models::State> texts, videos;
  const int64_t size = options.micro_batch > 0 ? options.micro_batch : options.batch;
  for (int64_t i = 0; i < options.batch; i += size) {
    const auto rows = [&](const Tensor& x) { return x.slice(0, i, i + size); };
    texts.push_back(head.text(
        model.encode_text(rows(batch.text.ids), rows(batch.text.mask), "fp32", head.wants())));
    videos.push_back(head.video(model.encode_video(rows(batch.video.pixels), rows(batch.video.mask),
                                                   rows(batch.video.times), "fp32", head.wants())));
  }
  const models::TextState text = models::State::cat(texts);
  const models::VideoState video = models::State::cat(videos);
  const auto duplicates =
      batch.video_index.unsqueeze(0).eq(batch.video_index.unsqueeze(1)).fill_diagonal_(false);
  Tensor loss = losses::make_loss(options.loss)(
      {head.score(text, video), model.encoders().logit_scale(), duplicates});
  if (const Tensor more = head.penalty(text, video); more.defined()) loss = loss + more;
  loss.backward();
  return {loss.item<double>(), gradients_of(model)};
}

void expect_equal(models::Retriever& model, const Result& got, const Result& want, double bound) {
  EXPECT_NEAR(got.loss, want.loss, bound * std::abs(want.loss));
  for (size_t i = 0; i < want.gradients.size(); ++i) {
    const double largest = want.gradients[i].abs().max().item<double>();
    // 1e-6: a bias before a softmax has a gradient of rounding only.
    EXPECT_TRUE(tensor_near(got.gradients[i], want.gradients[i], bound * largest + 1e-6))
        << model.named_parameters()[i].key();
  }
}

class StepOf : public testing::TestWithParam<std::string> {};

// 1e-5 relative: the same sums in another order, in float32. What is random in the states (dropout
// of a frame transformer) is drawn for a micro-batch, and drawn alike both times.
TEST_P(StepOf, MicroBatchesGiveTheGradientsOfTheWholeBatch) {
  const auto model = model_with(GetParam());
  const auto batch = test::tiny_training_batch(kPairs);
  for (const int64_t pairs : {0, 2, 8}) {
    const auto options = with_micro_batch(pairs);
    SCOPED_TRACE(pairs);
    expect_equal(*model, step(*model, options, batch), reference(*model, options, batch), 1e-5);
  }
}

// Two captions of each video, whose states are made once and count for both.
TEST_P(StepOf, CaptionsOfAVideoShareIt) {
  const auto model = model_with(GetParam());
  model->eval();  // nothing random: it would be drawn for other shapes
  auto batch = test::tiny_training_batch(kPairs);
  auto pairs = batch;
  const auto videos = [](const Tensor& x) { return x.slice(0, 0, kPairs / 2); };
  batch.video = {videos(batch.video.pixels), videos(batch.video.mask), videos(batch.video.times)};
  batch.video_index = torch::arange(kPairs / 2);
  const auto twice = [](const Tensor& x) { return x.repeat_interleave(2, 0); };
  pairs.video = {twice(batch.video.pixels), twice(batch.video.mask), twice(batch.video.times)};
  pairs.video_index = twice(batch.video_index);
  const Result want = reference(*model, with_micro_batch(0), pairs);
  for (const int64_t micro : {0, 2, 4}) {
    SCOPED_TRACE(micro);
    const auto options = with_micro_batch(micro);
    dist::Group alone;
    Step step(*model, options, alone);
    const double loss = step.backward(batch).item<double>();
    expect_equal(*model, {loss, gradients_of(*model)}, want, 1e-5);
    EXPECT_TRUE(step.rows().videos.equal(pairs.video_index));
  }
  const std::shared_ptr<models::Retriever> models[] = {model_with(GetParam()),
                                                       model_with(GetParam())};
  test::run_ranks(2, [&](dist::Group& group) {
    auto& own = *models[group.rank()];
    own.eval();
    const auto part = [&](const Tensor& x) {
      return x.chunk(2)[static_cast<size_t>(group.rank())];
    };
    const data::Batch half = {
        {part(batch.text.ids), part(batch.text.mask)},
        {part(batch.video.pixels), part(batch.video.mask), part(batch.video.times)},
        part(batch.video_index),
        part(batch.caption_index)};
    Step step(own, with_micro_batch(2), group);
    const double loss = step.backward(half).item<double>();
    expect_equal(own, {loss, gradients_of(own)}, want, 1e-5);
    EXPECT_TRUE(step.rows().videos.equal(pairs.video_index));
  });
}

data::Batch rows_of(const data::Batch& batch, int64_t begin, int64_t end) {
  const auto rows = [&](const Tensor& x) { return x.slice(0, begin, end); };
  return {{rows(batch.text.ids), rows(batch.text.mask)},
          {rows(batch.video.pixels), rows(batch.video.mask), rows(batch.video.times)},
          rows(batch.video_index),
          rows(batch.caption_index)};
}

// The parts of a batch on several ranks, cut once more or not. The first and the last pair, of one
// video, are on different ranks.
TEST_P(StepOf, RanksGiveTheGradientsOfOneProcess) {
  constexpr int64_t kRanks = 2;
  const auto batch = test::tiny_training_batch(kPairs);
  std::vector<std::shared_ptr<models::Retriever>> models;
  for (int64_t rank = 0; rank <= kRanks; ++rank) {
    models.push_back(model_with(GetParam()));
    models.back()->eval();  // nothing random: the ranks of this test share their generator
  }
  const Result want = reference(*models.back(), with_micro_batch(0), batch);
  for (const int64_t pairs : {0, 2}) {
    SCOPED_TRACE(pairs);
    test::run_ranks(kRanks, [&](dist::Group& group) {
      auto& model = *models[static_cast<size_t>(group.rank())];
      const int64_t begin = group.rank() * kPairs / kRanks;
      Step step(model, with_micro_batch(pairs), group);
      const Tensor loss = step.backward(rows_of(batch, begin, begin + kPairs / kRanks));
      expect_equal(model, {loss.item<double>(), gradients_of(model)}, want, 1e-5);
    });
  }
}

// What `score` draws, it draws once for the whole batch, where its states draw nothing themselves.
TEST(Step, DropoutOfTheScoreIsThatOfTheWholeBatch) {
  const auto model = model_with("joint", "{dropout: 0.4}");
  const auto batch = test::tiny_training_batch(kPairs);
  expect_equal(*model, step(*model, with_micro_batch(2), batch),
               reference(*model, with_micro_batch(0), batch), 1e-5);
}

// A tower that stands still is run once for each micro-batch, and what the head draws after it is
// drawn alike both times.
TEST(Step, WhatStandsStillIsMadeOnce) {
  const auto batch = test::tiny_training_batch(kPairs);
  const auto model = model_with("seq_transf");
  const auto flops = [&](int64_t pairs) {
    const eval::FlopCounter counter;
    step(*model, with_micro_batch(pairs), batch);
    return static_cast<double>(counter.count());
  };
  const double trained = flops(2) / flops(0);
  for (auto& parameter : model->encoders().parameters()) parameter.requires_grad_(false);
  EXPECT_GT(trained, 1.2);
  EXPECT_LT(flops(2) / flops(0), trained - 0.1);
  for (const int64_t pairs : {0, 2, 8}) {
    const auto options = with_micro_batch(pairs);
    expect_equal(*model, step(*model, options, batch), reference(*model, options, batch), 1e-5);
  }
}

// A split smaller than a batch is one by itself; its last micro-batch may be short.
TEST(Step, AShortBatchHasAShortLastPart) {
  const auto batch = test::tiny_training_batch(kPairs - 2);
  const auto model = model_with("joint");
  const auto options = with_micro_batch(4);
  expect_equal(*model, step(*model, options, batch), reference(*model, options, batch), 1e-5);
}

TEST(Step, KnowsTheRowsOfAllRanks) {
  const auto batch = test::tiny_training_batch(kPairs);
  test::run_ranks(2, [&](dist::Group& group) {
    const auto model = model_with("mean_pool");
    Step step(*model, with_micro_batch(0), group);
    const int64_t begin = group.rank() * kPairs / 2;
    auto own = rows_of(batch, begin, begin + kPairs / 2);
    own.text.truncated = 1 + group.rank();
    step.backward(own);
    EXPECT_TRUE(step.rows().videos.equal(batch.video_index));
    EXPECT_TRUE(step.rows().captions.equal(batch.caption_index));
    EXPECT_EQ(step.rows().truncated, 3);
  });
}

TEST(Step, FactorScalesGradientsAndNotTheLoss) {
  const auto model = model_with("wti");
  const auto batch = test::tiny_training_batch(kPairs);
  auto want = reference(*model, with_micro_batch(2), batch);
  for (Tensor& gradient : want.gradients) gradient = gradient * 1024;
  expect_equal(*model, step(*model, with_micro_batch(2), batch, torch::tensor(1024.0F)), want,
               1e-5);
}

TEST(Step, RecomputedBlocksGiveTheSameGradientsToTheBit) {
  const auto batch = test::tiny_training_batch(kPairs);
  for (const std::string precision : {"fp32", "bf16"}) {
    auto options = with_micro_batch(0);
    options.precision = precision;
    const auto model = model_with("joint");
    const auto kept = step(*model, options, batch);
    options.checkpoint_activations = "blocks";
    const auto again = step(*model, options, batch);
    EXPECT_EQ(kept.loss, again.loss);
    for (size_t i = 0; i < kept.gradients.size(); ++i) {
      EXPECT_TRUE(torch::equal(kept.gradients[i], again.gradients[i]))
          << precision << " " << model->named_parameters()[i].key();
    }
  }
}

// Encoders whose activations outweigh the rest, as real ones' do: 64 videos of 4 frames of 65
// tokens. The gradients of 8 x 8 are those of 64 at once.
TEST(Step, MicroBatchesAndRecomputedBlocksSaveMemory) {
  auto encoder = test::tiny_clip_options();
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"patch", "4"}, {"vision_width", "48"}, {"vision_layers", "4"}}) {
    encoder[name] = value;
  }
  const auto batch = test::tiny_training_batch(64);
  const auto model = test::tiny_retriever({"joint", {}}, encoder);
  model->eval();
  const auto peak = [&](int64_t micro_batch, const std::string& checkpoint) {
    auto options = with_micro_batch(micro_batch);
    options.batch = 64;
    options.checkpoint_activations = checkpoint;
    const test::PeakMemory memory;
    auto result = step(*model, options, batch);
    return std::pair(static_cast<double>(memory.bytes()), std::move(result));
  };
  const auto [whole, want] = peak(0, "none");
  const auto [cut, got] = peak(8, "none");
  expect_equal(*model, got, want, 1e-5);
  const double again = peak(0, "blocks").first;
  RecordProperty("whole", std::to_string(whole));
  RecordProperty("cut", std::to_string(cut));
  RecordProperty("again", std::to_string(again));
  EXPECT_LT(cut, whole / 3);
  EXPECT_LT(again, whole / 2);
}

TEST(Step, WhatDoesNotGoTogetherIsRefused) {
  const auto refuse = [](const char* options, const std::string& part) {
    test::expect_error([&] { config::read<TrainOptions>(YAML::Load(options), "train"); }, part);
  };
  refuse("{batch: 1}", "train.batch: a pair alone");
  refuse("{batch: 8, micro_batch: 16}", "train.micro_batch: 16 is more than the 8 pairs");
  refuse("{batch: 8, micro_batch: 3}", "train.micro_batch: 3 does not divide the 8 pairs");
  const auto model =
      test::tiny_retriever({"gated", YAML::Load("{batch_norm: true}")}, test::tiny_clip_options());
  test::expect_error([&] { step(*model, with_micro_batch(2), {}); },
                     "train.micro_batch: this head normalises over the whole batch");
}

TEST(Step, AModelThatCannotLearnIsRefused) {
  const auto model = model_with("mean_pool");
  for (auto& parameter : model->parameters()) parameter.set_requires_grad(false);
  const auto batch = test::tiny_training_batch(kPairs);
  test::expect_error([&] { step(*model, with_micro_batch(2), batch); }, "nothing to train");
}

INSTANTIATE_TEST_SUITE_P(Head, StepOf, testing::ValuesIn(models::heads().names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace vtr::train
