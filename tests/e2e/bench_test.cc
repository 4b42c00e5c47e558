// What `vtr bench step`, `vtr bench encode` and `vtr train --profile` measure, through the program.
#include "support/program.h"

#include "vtr/core/files.h"
#include "vtr/models/weights/safetensors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

namespace vtr::test {
namespace {

using Words = std::vector<std::string>;

class Bench : public testing::Test {
 protected:
  Words words(const std::string& what, const Words& more = {}) const {
    Words all = {"bench",
                 what,
                 "--json",
                 (dir / "out.json").string(),
                 "--precision",
                 "fp32",
                 "--batch",
                 "3",
                 "--frames",
                 "2",
                 "--words",
                 "9",
                 "--repeat",
                 "2",
                 "--captions",
                 "70",
                 "model.encoder={name: clip, embed_dim: 24, image_resolution: 32, patch: 16, "
                 "vision_width: 48, vision_layers: 1, vision_heads: 3, context: 16, vocab: 100, "
                 "text_width: 32, text_heads: 2, text_layers: 1}"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  nlohmann::json bench(const std::string& what, const Words& more = {}) const {
    const auto outcome = run_program(words(what, more));
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    return nlohmann::json::parse(read_file(dir / "out.json"));
  }

  TempDir dir;
};

TEST_F(Bench, StepSaysWhatItsPartsTake) {
  const auto found = bench("step");
  const double step = found["step_seconds"];
  for (const char* part : {"forward", "backward", "optimiser"}) {
    EXPECT_GT(found[part].get<double>(), 0) << part;
    EXPECT_LT(found[part].get<double>(), step) << part;
  }
  EXPECT_DOUBLE_EQ(found["videos_per_second"], 3 / step);
  EXPECT_DOUBLE_EQ(found["achieved_flops"], found["flops"].get<double>() / step);
  EXPECT_GT(found["ceiling_flops"], 1e8);
  EXPECT_GT(found["peak_bytes"], 1 << 20);
  EXPECT_EQ(found["losses"].size(), 3);
}

// Two products of each of 4 linear layers of a block and so on, forward once and back twice: about
// three times of what one pass takes.
TEST_F(Bench, StepCountsTheWayBack) {
  const double all = bench("step")["flops"];
  const double frozen = bench("step", {"train.freeze=[clip.*]"})["flops"];
  EXPECT_GT(all, 2 * frozen);  // what is frozen still goes forward, and the head both ways
}

TEST_F(Bench, StepTakesBatchesOfAFile) {
  torch::manual_seed(1);
  const Tensor mask = torch::ones({2, 3, 9}, torch::kBool);
  models::TensorMap batches = {
      {"pixels", torch::randint(0, 256, {2, 3, 2, 3, 32, 32}, torch::kByte)},
      {"ids", torch::randint(1, 99, {2, 3, 9}, torch::kLong)},
      {"mask", mask}};
  models::save_safetensors(dir / "b.safetensors", batches);
  const Words file = {"--batches", (dir / "b.safetensors").string(), "model.head.dropout=0"};
  const auto first = bench("step", file), again = bench("step", file);
  EXPECT_EQ(first["losses"], again["losses"]);
  EXPECT_NE(first["losses"][0], first["losses"][2]);  // the same batch, after two updates
  batches.pop_back();
  models::save_safetensors(dir / "b.safetensors", batches);
  const auto outcome = run_program(words("step", file));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.output.find("ids and mask [S, B, L] are needed"), std::string::npos)
      << outcome.output;
}

TEST_F(Bench, EncodeHasBothRates) {
  const auto found = bench("encode");
  for (const char* rate :
       {"frames_per_second", "captions_per_second", "achieved_flops", "peak_bytes"}) {
    EXPECT_GT(found[rate].get<double>(), 0) << rate;
  }
  EXPECT_EQ(found["captions"], 70);
}

// Products of another library are told of, or refused by name where they cannot be had.
TEST_F(Bench, ProductsAreOfTheLibraryAskedFor) {
  for (const std::string library : {"auto", "mkl"}) bench("step", {"--matmul", library});
  const auto unknown = run_program(words("step", {"--matmul", "blas"}));
  EXPECT_EQ(unknown.code, 2) << unknown.output;
  if (__builtin_cpu_supports("avx512bw")) return;
  const auto refused = run_program(words("step", {"--matmul", "onednn"}));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.output.find("only on CPUs with AVX-512"), std::string::npos) << refused.output;
}

class Profiled : public testing::Test {
 protected:
  Outcome train(const Words& more) const {
    Words all = {"train", "--config", config, "--run", (dir / "run").string()};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all);
  }
  TempDir dir;
  std::string config = write_tiny_experiment(dir, 8, 2);
};

TEST_F(Profiled, RunLeavesATraceAndATable) {
  const auto outcome = train({"--profile=2", "train.max_steps=4"});
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  for (const std::string part : {"operator", "aten::addmm", "(between operators)", "a step: "}) {
    EXPECT_NE(outcome.output.find(part), std::string::npos) << part << " in\n" << outcome.output;
  }
  const auto trace = nlohmann::json::parse(read_file(dir / "run/profile.json"));
  const auto updates = std::ranges::count_if(trace.at("traceEvents"), [](const auto& event) {
    return event.value("name", "") == "update" && event.value("ph", "") == "X";
  });
  EXPECT_EQ(updates, 2);
}

TEST_F(Profiled, ShortRunIsRefused) {
  const auto outcome = train({"--profile", "train.max_steps=4"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(
      outcome.output.find("--profile: 5 steps after the first 2 are asked for, the run has 4"),
      std::string::npos)
      << outcome.output;
}

}  // namespace
}  // namespace vtr::test
