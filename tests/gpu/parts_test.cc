// The parts of a run on a GPU against the same on the CPU. Without a GPU each fails with the
// reason.
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_retriever.h"

#include "vtr/dist/group.h"
#include "vtr/models/device.h"
#include "vtr/train/measure.h"

#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/types.h>

#include <cstdlib>

namespace vtr::train {
namespace {

constexpr int64_t kPairs = 8, kSteps = 4;

c10::Device gpu() { return models::open_device("cuda"); }

// Without what draws at random while it trains, from the generator of its device.
std::shared_ptr<models::Retriever> model_with(const std::string& head, c10::Device device,
                                              const std::string& encoder = "clip") {
  auto of_head = models::heads().find(head).schema.resolve(config::Node(YAML::NodeType::Map), "");
  if (of_head["dropout"]) of_head["dropout"] = 0;
  auto of_encoder = test::tiny_encoder_options(encoder);
  if (encoder == "stan") of_encoder["depth"] = 1;  // its later layers drop paths
  auto model = test::tiny_retriever({head, of_head}, config::Choice{encoder, of_encoder});
  model->to(device);
  return model;
}

// Of the first steps at a rate that moves the weights.
std::vector<double> losses(models::Retriever& model, const std::string& precision,
                           int64_t micro_batch = 0) {
  TrainOptions options;
  options.batch = kPairs;
  options.micro_batch = micro_batch;
  options.precision = precision;
  options.lr = options.encoder_lr = 1e-3;
  return measure_steps(model, options, {test::tiny_training_batch(kPairs)}, kSteps).losses;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], bound * want[i]) << "step " << i;
  }
}

class Gpu : public testing::Test {
 protected:
  void SetUp() override { gpu(); }
};
class GpuHead : public Gpu, public testing::WithParamInterface<std::string> {};
class GpuEncoders : public Gpu, public testing::WithParamInterface<std::string> {};
class GpuPrecision : public Gpu, public testing::WithParamInterface<std::string> {};

// Sums in another order, in float32.
TEST_P(GpuHead, ScoresAsOnTheCPU) {
  const auto batch = test::tiny_training_batch(kPairs);
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> sims;
  for (const c10::Device device : {c10::Device(c10::kCPU), gpu()}) {
    const auto model = model_with(GetParam(), device);
    model->eval();
    auto& head = model->head();
    const auto text =
        head.text(model->encode_text(batch.text.ids, batch.text.mask, "fp32", head.wants()));
    const auto video = head.video(model->encode_video(batch.video.pixels, batch.video.mask,
                                                      batch.video.times, "fp32", head.wants()));
    const Tensor sim = models::score_blocked(head, text, video, {.workspace_mb = 1});
    EXPECT_EQ(sim.device(), device);
    sims.push_back(sim.to(torch::kCPU));
  }
  EXPECT_TRUE(test::tensor_near(sims[1], sims[0], 2e-5));
}

TEST_P(GpuHead, StepsInFullPrecisionAreTheCPUs) {
  if (GetParam() == "ts2") GTEST_SKIP() << "its selection draws noise while it trains";
  const auto on_cpu = model_with(GetParam(), c10::kCPU), on_gpu = model_with(GetParam(), gpu());
  expect_near(losses(*on_gpu, "fp32"), losses(*on_cpu, "fp32"), 1e-3);
}

TEST_P(GpuEncoders, StepsInFullPrecisionAreTheCPUs) {
  const auto on_cpu = model_with("joint", c10::kCPU, GetParam());
  const auto on_gpu = model_with("joint", gpu(), GetParam());
  expect_near(losses(*on_gpu, "fp32"), losses(*on_cpu, "fp32"), 1e-3);
}

// 8 and 11 bits of mantissa in the towers' products.
TEST_P(GpuPrecision, StepsInHalfPrecisionAreNearFullOnes) {
  const double bound = GetParam() == "bf16" ? 3e-2 : 1e-2;
  const auto on_cpu = model_with("joint", c10::kCPU);
  const auto want = losses(*on_cpu, "fp32");
  for (const int64_t micro_batch : {0, 2}) {
    const auto on_gpu = model_with("joint", gpu());
    const auto got = losses(*on_gpu, GetParam(), micro_batch);
    expect_near(got, want, bound);
    EXPECT_NE(got, want) << "it was not in use";
  }
}

TEST_F(Gpu, MicroBatchesHoldMemoryDown) {
  std::vector<int64_t> peaks;
  for (const int64_t micro_batch : {1, 0}) {  // the peak is of the process
    losses(*model_with("joint", gpu()), "fp32", micro_batch);
    peaks.push_back(peak_memory(gpu()));
  }
  EXPECT_GT(peaks[0], 0);
  EXPECT_LT(peaks[0], peaks[1]);
  RecordProperty("peak_bytes", std::to_string(peaks[1]));
}

TEST_F(Gpu, TensorsAreSentWhateverTheirLayout) {
  const Tensor rows = at::arange(4, at::kFloat).expand({3, 4});
  for (const Tensor& x : {rows, rows.t(), at::zeros({0, 4})}) {
    EXPECT_TRUE(torch::equal(models::sent(x, gpu()).to(torch::kCPU), x));
  }
}

TEST_F(Gpu, ATorchScriptModuleThatHoldsTheCpuIsNamed) {
  const test::TempDir dir;
  torch::jit::Module module("Both");
  module.define(R"(
def encode_image(self, image: Tensor) -> Tensor:
  offset = torch.zeros([24], device=torch.device("cpu"))
  return torch.add(torch.mean(torch.flatten(image, 2), [2]).repeat(1, 8), offset)
def encode_text(self, text: Tensor) -> Tensor:
  return torch.mean(torch.mul(text, 1.0), [1], True).repeat(1, 24)
)");
  const std::string file = dir / "both.pt";
  module.save(file);
  const auto encoders =
      models::encoders()
          .find("torchscript")
          .make(YAML::Load("{image: " + file + ", resolution: 4, context: 6}"), "");
  test::expect_error([&] { encoders->to(gpu()); }, "both.pt: does not run on cuda:0");
}

// The tensors of a step: bools, whole numbers, floats of every precision.
TEST_F(Gpu, ExchangesOverNcclInAWorldOfOne) {
  dist::World world{.host = "127.0.0.1", .port = 29411, .hosts_store = true, .attempt = "0"};
  if (const char* port = std::getenv("MASTER_PORT")) world.port = std::atoll(port);
  dist::Group group(world, std::chrono::seconds(60));
  group.open(gpu());
  const auto here = torch::TensorOptions().device(gpu());
  for (const auto dtype :
       {torch::kFloat, torch::kHalf, torch::kBFloat16, torch::kLong, torch::kBool}) {
    const Tensor x = torch::ones({3, 2}, here.dtype(dtype));
    EXPECT_TRUE(torch::equal(group.gather(x), x)) << dtype;
    EXPECT_TRUE(torch::equal(group.gather_rows(x), x)) << dtype;
  }
  const Tensor sum = torch::full({5}, 2.5, here), sent = torch::arange(4, here);
  group.sum({sum, sum.clone()});
  group.broadcast({sent});
  EXPECT_TRUE(sum.eq(2.5).all().item<bool>());
  EXPECT_TRUE(torch::equal(sent.to(torch::kCPU), torch::arange(4)));
  EXPECT_TRUE(group.any(true)) << "what is on the CPU goes over Gloo";
}

const auto by_name = [](const auto& parameter) { return parameter.param; };
INSTANTIATE_TEST_SUITE_P(Table, GpuHead, testing::ValuesIn(models::heads().names()), by_name);
INSTANTIATE_TEST_SUITE_P(Table, GpuEncoders, testing::ValuesIn(test::clip_names()), by_name);
INSTANTIATE_TEST_SUITE_P(Half, GpuPrecision, testing::Values("bf16", "fp16"), by_name);

}  // namespace
}  // namespace vtr::train
