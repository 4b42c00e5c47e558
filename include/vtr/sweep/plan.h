// A sweep: one experiment under many options and seeds. Its file names the experiment and what is
// swept; a cell is one run of it.
//
//   config: msrvtt7k.yaml
//   grid: {model.head.name: [topk, joint], model.head.topk: [1, 2, 4]}
//   seeds: [1, 2, 3]
#pragma once

#include "vtr/config/tree.h"

#include <functional>
#include <string>
#include <vector>

namespace vtr::sweep {

// Of a result, as `vtr eval --json` calls them.
inline const std::vector<std::string> kMetrics = {"R@1", "R@5", "R@10", "R@50", "MdR", "MnR"};

inline constexpr const char* kProtocolsTable = "protocol";  // of SweepOptions::paper

struct PlotOptions {
  std::string x;
  std::vector<std::string> metrics = {"R@1", "R@5", "R@10", "MdR", "MnR"};
  void fields(auto& f) {
    f("x", x, "swept option along the axis, or name: a list's names; empty: no plots");
    f("metrics", metrics, "a plot each, for each split, text to video");
  }
};

struct SweepOptions {
  std::string config;
  config::Tree options, grid, list;
  std::vector<std::string> seeds = {"1", "2", "3"};
  std::vector<std::string> evaluate;
  std::string paper;
  PlotOptions plot;
  std::string features = "shared";
  std::string frames = "own";
  int64_t jobs = 0;
  int64_t retries = 1;
  void fields(auto& f) {
    using namespace config;
    f("config", config, "the experiment: a file, or a name in configs/");
    f("options", options, "laid over it for every cell: {option: value}");
    f("grid", grid, "{option: [values]}: every combination is a cell");
    f("list", list,
      "[{option: value, ...}, ...]: a cell each (with a grid: each over all of it); its `name` "
      "names the cell, its `config` is used instead of the sweep's");
    f("seeds", seeds, "of train.seed: every cell is run with each");
    f("evaluate", evaluate, "test splits; none: the experiment's data.test");
    f("paper", paper,
      "published table laid beside: table1 ... table5, or protocol: that of the first cell's "
      "dataset and splits; empty: none");
    f("plot", plot, "plots of the metrics");
    f("features", features,
      "shared: of cells with train.encode_once, the same frames and encoders are encoded once for "
      "all",
      one_of({"shared", "own"}));
    f("frames", frames,
      "packed: videos are decoded once for all cells that look at them in the same way",
      one_of({"own", "packed"}));
    f("jobs", jobs, "cells at once; 0: one for each GPU, or one", at_least(0));
    f("retries", retries, "tries of a cell after one that failed", at_least(0));
  }
};

// What makes a cell another than its neighbours.
struct Setting {
  std::string option, value;  // an option's full name, or name, or config; YAML
  std::string label;          // in the cell's name, "topk=4"; "" where a name says it all
};

struct Cell {
  std::string variant;  // readable, and a folder's name: "joint,topk=4"
  std::vector<Setting> settings;
  int64_t seed = 1;
  config::Node experiment;  // resolved: every option
  std::string name() const { return variant + "/seed" + std::to_string(seed); }
};

// `resolve` reads a whole experiment and gives it back with every option, or throws Error.
using Resolve = std::function<config::Node(const config::Node& tree)>;

// All cells, a variant's seeds next to each other. `overrides`, option=value, are laid over each.
// Throws Error naming the cell for an option that is none, and for a sweep without cells, with two
// that are the same, or with two of one name.
std::vector<Cell> plan(const SweepOptions& options, const std::vector<std::string>& overrides,
                       const Resolve& resolve);

// `text` as a part of a file's name.
std::string file_name(std::string text);

}  // namespace vtr::sweep
