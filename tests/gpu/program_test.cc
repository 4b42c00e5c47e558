// The program on a GPU against itself on the CPU. Without a GPU each fails with the reason.
#include "support/program.h"

#include "vtr/core/files.h"
#include "vtr/models/device.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vtr::test {
namespace {

class GpuProgram : public testing::Test {
 protected:
  void SetUp() override {
    models::open_device("cuda");
    config = write_tiny_experiment(dir, 24, 8);
  }
  std::vector<std::string> train(const std::string& run, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"train",
                                          "--config",
                                          config,
                                          "--run",
                                          (dir / run).string(),
                                          "--resume",
                                          "device=cuda",
                                          "train.keep=9",
                                          "model.head.dropout=0",
                                          "train.deterministic=true",
                                          "train.schedule={name: constant, warmup: 0}"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void expect_curves_near(const std::string& run, const std::string& of, double bound) const {
    const auto got = losses_of(dir / run), want = losses_of(dir / of);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(std::stod(got[i]), std::stod(want[i]), bound * std::stod(want[i])) << i;
    }
  }
  static void expect_done(const Outcome& outcome) { ASSERT_EQ(outcome.code, 0) << outcome.output; }
  TempDir dir;
  std::string config;
};

TEST_F(GpuProgram, TrainsAsOnTheCPUInEveryPrecision) {
  expect_done(run_program(train("cpu", {"device=cpu", "train.max_steps=8"})));
  for (const auto& [precision, bound] :
       std::map<std::string, double>{{"fp32", 5e-3}, {"bf16", 5e-2}, {"fp16", 2e-2}}) {
    const auto outcome =
        run_program(train(precision, {"train.max_steps=8", "train.precision=" + precision}));
    expect_done(outcome);
    expect_curves_near(precision, "cpu", bound);
    EXPECT_NE(outcome.output.find("on cuda"), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find("memory in the first step: "), std::string::npos)
        << outcome.output;
  }
}

TEST_F(GpuProgram, GoesOnFromACheckpointToTheSameBits) {
  expect_done(run_program(train("whole", {"train.max_steps=8"})));
  expect_done(run_program(train("cut", {"train.max_steps=4"})));
  expect_done(run_program(train("cut", {"train.max_steps=8"})));
  EXPECT_EQ(losses_of(dir / "whole"), losses_of(dir / "cut"));
  const fs::path last = "checkpoints/step_00000008/model.safetensors";
  EXPECT_EQ(read_file(dir / "whole" / last), read_file(dir / "cut" / last));
}

TEST_F(GpuProgram, EvaluatesARunAsTheCPUDoes) {
  expect_done(run_program(train("run", {"train.max_steps=8"})));
  std::vector<nlohmann::json> rows;
  for (const std::string device : {"cpu", "cuda"}) {
    const auto json = (dir / (device + ".json")).string();
    expect_done(
        run_program({"eval", "--run", (dir / "run").string(), "device=" + device, "--json", json}));
    rows.push_back(nlohmann::json::parse(read_file(json)));
  }
  for (size_t i = 0; i < rows[0].size(); ++i) {
    // A tie that falls the other way moves one query of eight by one place.
    EXPECT_NEAR(rows[1][i]["MnR"].get<double>(), rows[0][i]["MnR"].get<double>(), 0.2);
  }
}

TEST_F(GpuProgram, AWorldOfOneOverNcclTrainsAsAProcessAlone) {
  expect_done(run_program(train("alone", {"train.max_steps=6"})));
  for (const auto& outcome : run_ranks(1, train("world", {"train.max_steps=6"}))) {
    expect_done(outcome);
  }
  expect_curves_near("world", "alone", 1e-5);
}

}  // namespace
}  // namespace vtr::test
