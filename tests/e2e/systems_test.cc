// The configurations of the published systems, unchanged, over a folder in MSR-VTT's layout and an
// archive in OpenAI's naming, of small widths but as deep as they ask for: each trains a step.
#include "support/program.h"

#include "vtr/core/files.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace vtr::test {
namespace {

TEST(Systems, EveryConfigurationTrainsAStep) {
  const TempDir dir;
  const auto path = [&](const std::string& name) { return (dir / name).string(); };
  const std::string tiny = write_tiny_experiment(dir, 24, 0);
  // 25 patches: enough for TS2-Net's shift, and for CenterCLIP's 49 tokens of two frames.
  const auto archive = run_program(
      {"export", "--config", tiny, "model.encoder.vocab=49408", "model.encoder.context=77",
       "model.encoder.embed_dim=64", "model.encoder.image_resolution=40", "model.encoder.patch=8",
       "model.encoder.vision_layers=7", "--half", "--out", path("ViT.pt")});
  ASSERT_EQ(archive.code, 0) << archive.output;
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(VTR_SOURCE "/configs/systems")) {
    files.insert(entry.path());
  }
  ASSERT_FALSE(files.empty());
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename());
    const auto outcome = run_program(
        {"train", "--config", file.string(), "data.root=" + path("data"),
         "model.weights=" + path("ViT.pt"), "data.val_fraction=0", "train.batch=4",
         "train.max_steps=1", "train.log_every=1", "--run", path(file.stem().string())});
    ASSERT_EQ(outcome.code, 0) << outcome.output;
    const auto losses = losses_of(dir / file.stem());
    ASSERT_EQ(losses.size(), 1U);
    EXPECT_TRUE(std::isfinite(std::stod(losses[0]))) << losses[0];
  }
}

}  // namespace
}  // namespace vtr::test
