#include "vtr/sweep/sweep.h"

#include "commands.h"
#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/eval/paper.h"
#include "vtr/models/device.h"
#include "vtr/train/measure.h"

#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string out, jobs, retries, frames;
  std::vector<std::string> seeds, rerun;
  bool dry_run = false;
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

// On the CPU: the GPUs are the cells'.
std::shared_ptr<models::Retriever> untrained_model(Experiment experiment) {
  experiment.device = "cpu";
  return build_model(experiment, /*load_weights=*/false);
}

// What `vtr train` and `vtr eval` ask of a cell before they read a video: told now, not when the
// cell's turn comes. Cells that are alike in something are asked once.
class CellChecks {
 public:
  explicit CellChecks(const sweep::SweepOptions& options) : tests_(options.evaluate) {}

  // Throws Error naming the cell. Returns the most steps that it trains.
  int64_t check(const sweep::Cell& cell) {
    try {
      auto experiment = read_experiment(cell.experiment);
      check_model(experiment, cell.experiment);
      check_init_from(experiment);
      const auto& train = train_split(experiment, cell.experiment);
      const auto& options = experiment.train;
      const int64_t epoch =
          data::TrainLoader::steps_per_epoch(train, experiment.data, options.batch);
      return options.max_steps > 0 ? options.max_steps : options.epochs * epoch;
    } catch (const Error& error) {
      throw Error(fmt::format("cell {}: {}", cell.variant, error.what()));
    }
  }

 private:
  // Weights and folders are found, a model of these options can be built, and its parameters are
  // those that train.freeze and train.rates name.
  void check_model(Experiment& experiment, const config::Node& tree) {
    std::string parts;
    for (const char* section : {"device", "data", "video", "text", "model"}) {
      parts += config::to_text(tree[section]);
    }
    for (const char* names : {"freeze", "rates", "layer_decay"}) {
      parts += config::to_text(tree["train"][names]);
    }
    if (!models_.insert(parts).second) return;
    resolve_inputs(experiment, /*read_weights=*/true);
    models::open_device(experiment.device);
    const auto model = untrained_model(experiment);
    build_tokenizer(experiment, model->encoders());
    loader_settings(experiment, *model);  // opens data.store
    train::trained_values(*model, experiment.train);
  }

  // Every split that is asked for can be read.
  const data::Manifest& train_split(const Experiment& experiment, const config::Node& tree) {
    const auto [split, is_new] = splits_.try_emplace(config::to_text(tree["data"]));
    if (!is_new) return split->second;
    auto data = experiment.data;
    const auto seed = static_cast<uint64_t>(experiment.train.seed);
    split->second = data::read_annotations(data, data::Split::train, seed);
    data::read_annotations(data, data::Split::val, seed);
    for (const auto& test : tests_.empty() ? std::vector{data.test} : tests_) {
      data.test = test;
      data::read_annotations(data, data::Split::test, seed);
    }
    return split->second;
  }

  std::vector<std::string> tests_;
  std::set<std::string> models_;                  // that were built
  std::map<std::string, data::Manifest> splits_;  // the training split of each `data`
};

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
  const auto wanted = untrained_model(experiment)->head().wants();
  std::vector<std::string> flags;
  if (wanted.tokens) flags.push_back("--tokens");
  if (wanted.patches) flags.push_back("--patches");
  return flags;
}

// Where the data lies may change from one start to the next, not which of it is read.
config::Node lasting(const config::Node& tree) {
  const auto experiment = read_experiment(tree);
  auto lasts = without_places(experiment);
  lasts.data.skip_list = experiment.data.skip_list;
  lasts.data.store = experiment.data.store;
  lasts.data.features = experiment.data.features;
  return config::write(lasts);
}

int run_sweep(const Flags& flags) {
  auto options = read_options(flags);
  const auto cells = sweep::plan(options, flags.overrides, [](const config::Node& tree) {
    return config::write(read_experiment(tree));
  });
  if (options.paper == sweep::kProtocolsTable) options.paper = table_of(cells.front());
  log::info("[sweep] {} cells are checked", cells.size());
  CellChecks checks(options);
  int64_t all = 0;
  for (const auto& cell : cells) {
    const int64_t steps = checks.check(cell);
    if (flags.dry_run) std::cout << fmt::format("{:>10} steps  {}\n", steps, cell.name());
    all += steps;
  }
  log::info("[sweep] {} cells, at most {} steps in all", cells.size(), all);
  if (flags.dry_run) return 0;
  const sweep::Request request{.options = options,
                               .cells = cells,
                               .folder = flags.out.empty()
                                             ? fs::path("runs") / fs::path(flags.config).stem()
                                             : fs::path(flags.out),
                               .rerun = flags.rerun,
                               .devices = devices(),
                               .without_places = lasting};
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
  app.add_flag("--dry-run", flags->dry_run, "check every cell, print its steps, and train none");
  return [flags] { return run_sweep(*flags); };
}

}  // namespace

Command sweep_command() {
  return {"sweep", "train and evaluate an experiment under many options and seeds", add};
}

}  // namespace vtr::cli
