#include "vtr/sweep/sweep.h"

#include "commands.h"
#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/eval/paper.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string out, jobs, retries, frames;
  std::vector<std::string> seeds, rerun;
};

// The published table of a cell's protocol, "" where there is none.
std::string table_of(const sweep::Cell& cell) {
  const auto data = read_experiment(cell.experiment).data;
  return eval::paper_table(data.dataset, data.train, data.test);
}

sweep::SweepOptions read_options(const Flags& flags) {
  VTR_CHECK(!flags.config.empty(), "--config NAME is needed: a sweep's file, sweeps/table4.yaml");
  config::Node tree = config::load(flags.config);
  if (!flags.jobs.empty()) tree["jobs"] = flags.jobs;
  if (!flags.retries.empty()) tree["retries"] = flags.retries;
  if (!flags.frames.empty()) tree["frames"] = flags.frames;
  if (!flags.seeds.empty()) tree["seeds"] = flags.seeds;
  return config::read<sweep::SweepOptions>(tree, "");
}

// Data, weights and splits are there: told now, not by every cell.
void check_inputs(const sweep::SweepOptions& options, const std::vector<sweep::Cell>& cells) {
  std::set<std::string> seen;
  for (const auto& cell : cells) {
    const auto& tree = cell.experiment;
    const std::string inputs =
        config::to_text(tree["data"]) + config::to_text(tree["model"]["weights"]);
    if (!seen.insert(inputs).second) continue;
    auto experiment = read_experiment(tree);
    resolve_inputs(experiment, /*read_weights=*/true);
    const auto seed = static_cast<uint64_t>(cell.seed);
    data::read_annotations(experiment.data, data::Split::train, seed);
    for (const auto& split : options.evaluate) {
      experiment.data.test = split;
      data::read_annotations(experiment.data, data::Split::test, seed);
    }
  }
}

// CUDA_VISIBLE_DEVICES of each GPU, where there are several.
std::vector<std::string> devices() {
  std::vector<std::string> names;
  if (const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES")) {
    std::istringstream in(chosen);
    for (std::string name; std::getline(in, name, ',');) names.push_back(name);
  } else {
    while (fs::exists(fmt::format("/dev/nvidia{}", names.size()))) {
      names.push_back(std::to_string(names.size()));
    }
  }
  return names.size() > 1 ? names : std::vector<std::string>();
}

std::vector<std::string> extras(const config::Node& tree) {
  auto experiment = read_experiment(tree);
  resolve_weights(experiment, /*read_weights=*/true);
  const auto wanted = build_model(experiment, /*load_weights=*/false)->head().wants();
  std::vector<std::string> flags;
  if (wanted.tokens) flags.push_back("--tokens");
  if (wanted.patches) flags.push_back("--patches");
  return flags;
}

int run_sweep(const Flags& flags) {
  auto options = read_options(flags);
  const auto cells = sweep::plan(options, flags.overrides, [](const config::Node& tree) {
    return config::write(read_experiment(tree));
  });
  if (options.paper == sweep::kProtocolsTable) options.paper = table_of(cells.front());
  check_inputs(options, cells);
  const sweep::Request request{.options = options,
                               .cells = cells,
                               .folder = flags.out.empty()
                                             ? fs::path("runs") / fs::path(flags.config).stem()
                                             : fs::path(flags.out),
                               .rerun = flags.rerun,
                               .devices = devices()};
  const auto ending = sweep::run(request, extras);
  std::cout << ending.table << std::flush;
  const std::string folder = request.folder.string();
  if (ending.signal != 0) {
    log::info("[sweep] stopped; the same command goes on with {}", folder);
    return 128 + ending.signal;
  }
  log::info("[sweep] {}: results.json, .csv, .md, .tex and plots/", folder);
  return ending.failed > 0 ? 1 : 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--out", flags->out,
                 "the sweep's folder; runs/<config's name> when left out; one that is there goes "
                 "on");
  app.add_option("--jobs", flags->jobs, "cells at once, instead of the file's `jobs`");
  app.add_option("--retries", flags->retries, "instead of the file's `retries`");
  app.add_option("--frames", flags->frames, "own or packed, instead of the file's `frames`");
  app.add_option("--seed", flags->seeds,
                 "instead of the file's `seeds`; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--rerun", flags->rerun, "a cell to do anew; may be given several times")
      ->allow_extra_args(false);
  return [flags] { return run_sweep(*flags); };
}

}  // namespace

Command sweep_command() {
  return {"sweep", "train and evaluate an experiment under many options and seeds", add};
}

}  // namespace vtr::cli
