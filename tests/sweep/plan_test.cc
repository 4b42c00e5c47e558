#include "vtr/sweep/plan.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/config/load.h"

#include <gtest/gtest.h>

namespace vtr::sweep {
namespace {

// An experiment of two options and a head.
struct Experiment {
  struct Train {
    int64_t seed = 1;
    double lr = 0.1;
    void fields(auto& f) {
      f("seed", seed, "");
      f("lr", lr, "", config::at_least(0));
    }
  } train;
  config::Choice head{"joint", {}};
  void fields(auto& f) {
    f("train", train, "");
    f("head", head, "");
  }
};

class Plan : public testing::Test {
 protected:
  test::TempDir dir;
  std::string experiment = dir.write("e.yaml", "{train: {lr: 1}, head: {name: joint, k: 3}}");

  SweepOptions options(const std::string& yaml) const {
    return config::read<SweepOptions>(YAML::Load("{config: " + experiment + ", " + yaml + "}"), "");
  }
  std::vector<Cell> cells(const std::string& yaml,
                          const std::vector<std::string>& overrides = {}) const {
    return plan(options(yaml), overrides, [](const config::Node& tree) {
      return config::write(config::read<Experiment>(tree, ""));
    });
  }
  std::vector<std::string> names(const std::string& yaml) const {
    std::vector<std::string> result;
    for (const auto& cell : cells(yaml)) result.push_back(cell.name());
    return result;
  }
  void refused(const std::string& yaml, const std::string& part) const {
    test::expect_error([&] { cells(yaml); }, part);
  }
};

using Names = std::vector<std::string>;

TEST_F(Plan, AGridIsEveryCombinationWithEverySeed) {
  EXPECT_EQ(names("grid: {head.name: [topk, joint], head.k: [1, 4]}, seeds: [1, 7]"),
            (Names{"topk,k=1/seed1", "topk,k=1/seed7", "topk,k=4/seed1", "topk,k=4/seed7",
                   "joint,k=1/seed1", "joint,k=1/seed7", "joint,k=4/seed1", "joint,k=4/seed7"}));
}

TEST_F(Plan, AListNamesItsCellsAndIsSpreadOverAGrid) {
  EXPECT_EQ(names("list: [{name: mean, head: mean_pool}, {train.lr: 2}], grid: {head.k: [1, 2]}, "
                  "seeds: [1]"),
            (Names{"mean,k=1/seed1", "mean,k=2/seed1", "lr=2,k=1/seed1", "lr=2,k=2/seed1"}));
  EXPECT_EQ(names("grid: {head: [{name: a/b, k: 1}]}, seeds: [1]"),
            (Names{"head=_name__a_b__k__1_/seed1"}));
}

// Lowest first: the file, the sweep's options, the cell's, the command line; another head starts
// from its own defaults.
TEST_F(Plan, LayersLieOverEachOtherInOrder) {
  const auto text = [&](const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    const auto cell = cells(yaml + ", seeds: [5]", overrides).front();
    return config::detail::inline_text(cell.experiment);
  };
  const std::string name = "list: [{name: x}]";
  EXPECT_EQ(text(name), "{train: {seed: 5, lr: 1}, head: {name: joint, k: 3}}");
  EXPECT_EQ(text(name + ", options: {train.lr: 2, head: {k: 4}}"),
            "{train: {seed: 5, lr: 2}, head: {name: joint, k: 4}}");
  const std::string other = "list: [{name: x, head.name: topk, train.lr: 3}]";
  EXPECT_EQ(text(other + ", options: {train.lr: 2}"),
            "{train: {seed: 5, lr: 3}, head: {name: topk}}");
  EXPECT_EQ(text(other, {"train.lr=4"}), "{train: {seed: 5, lr: 4}, head: {name: topk}}");
  const std::string file = dir.write("other.yaml", "train: {lr: 9}");
  EXPECT_EQ(text("list: [{name: x, config: " + file + "}]"),
            "{train: {seed: 5, lr: 9}, head: {name: joint}}");
}

TEST_F(Plan, WhatCannotBeRunIsRefusedByItsCell) {
  refused("grid: {train.rl: [1]}", "cell rl=1: train.rl: no such option");
  refused("grid: {train.lr: [1, -1]}", "cell lr=-1: train.lr: -1 is out of range");
  refused("grid: {train.lr: [1]}, options: {trian.lr: 1}", "trian: no such option");
  refused("list: [{name: x, config: nowhere.yaml}]", "cell x: nowhere.yaml: no such file");
  refused("seeds: [one], list: [{name: x}]", "train.seed: a whole number is needed");
  refused("grids: {train.lr: [1]}", "grids: no such option (did you mean grid?)");
}

TEST_F(Plan, ASweepOverNothingIsRefused) {
  refused("seeds: [1]", "grid, list: one of them is needed");
  refused("grid: {}", "grid: {option: [values]} is needed");
  refused("grid: {train.lr: []}", "grid.train.lr: a list of values is needed");
  refused("grid: {train.lr: 1}", "grid.train.lr: a list of values is needed, got 1");
  refused("list: []", "list: a list of");
  refused("list: [x]", "got x");
  refused("grid: {train.lr: [1]}, seeds: []", "seeds: at least one");
}

TEST_F(Plan, CellsThatAreTheSameAreRefused) {
  refused("grid: {train.lr: [1, 1]}", "two cells are called lr=1/seed1");
  refused("grid: {train.lr: [2]}, seeds: [1, 1]", "two cells are called lr=2/seed1");
  refused("grid: {train.lr: [1, 1.0]}, seeds: [1]", "lr=1/seed1 and lr=1.0/seed1 are the same");
  test::expect_error([&] { cells("grid: {train.lr: [1, 2]}, seeds: [1]", {"train.lr=3"}); },
                     "lr=1/seed1 and lr=2/seed1 are the same experiment");
  test::expect_error([&] { cells("list: [{name: x}]", {"train.seed=3"}); }, "the sweep's `seeds`");
}

TEST_F(Plan, NamesThatMeanAnotherFolderAreRefused) {
  for (const auto* name : {"plots", "features", "..", ".hidden"}) {
    refused(std::string("list: [{name: ") + name + "}]", "cannot be a cell's name");
  }
}

TEST_F(Plan, APlotOverWhatIsNotSweptIsRefused) {
  refused("grid: {train.lr: [1]}, plot: {x: head.k}", "plot.x: head.k is not swept in cell lr=1");
  refused("grid: {train.lr: [1]}, plot: {metrics: [R@3]}", "plot.metrics: 'R@3' is not one of R@1");
  refused("grid: {train.lr: [1]}, paper: table9", "unknown published table 'table9'");
}

}  // namespace
}  // namespace vtr::sweep
