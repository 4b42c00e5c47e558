#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/sweep/plan.h"

#include <gtest/gtest.h>

namespace vtr::cli {
namespace {

bool is_sweep(const fs::path& path) { return path.parent_path().filename() == "sweeps"; }

TEST(Configs, EveryFileReadsAndItsResolvedFormReadsBackTheSame) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(VTR_SOURCE "/configs")) {
    if (entry.path().extension() != ".yaml" || is_sweep(entry.path())) continue;
    const auto experiment = read_experiment(entry.path().string(), {});
    const std::string text = config::to_text(config::write(experiment));
    const auto again = config::read<Experiment>(YAML::Load(text), "");
    EXPECT_EQ(config::to_text(config::write(again)), text) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0);
}

TEST(Configs, EveryCellOfEverySweepReads) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(VTR_SOURCE "/configs/sweeps")) {
    if (entry.path().extension() != ".yaml") continue;  // the plots beside them
    const auto tree = config::load(entry.path().string());
    const auto cells =
        sweep::plan(config::read<sweep::SweepOptions>(tree, ""), {},
                    [](const config::Node& cell) { return config::write(read_experiment(cell)); });
    EXPECT_GT(cells.size(), 1U) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace vtr::cli
