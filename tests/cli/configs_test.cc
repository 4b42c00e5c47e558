#include "experiment.h"

#include "vtr/config/load.h"

#include <gtest/gtest.h>

namespace vtr::cli {
namespace {

TEST(Configs, EveryFileReadsAndItsResolvedFormReadsBackTheSame) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(VTR_SOURCE "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto experiment = read_experiment(entry.path().string(), {});
    const std::string text = config::to_text(config::write(experiment));
    const auto again = config::read<Experiment>(YAML::Load(text), "");
    EXPECT_EQ(config::to_text(config::write(again)), text) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace vtr::cli
