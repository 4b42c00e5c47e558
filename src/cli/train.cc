#include "commands.h"
#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/device.h"
#include "vtr/train/checkpoint.h"
#include "vtr/train/trainer.h"

#include <torch/torch.h>

#include <memory>
#include <optional>

namespace vtr::cli {
namespace {

constexpr int kStopped = 143;

struct Flags : ConfigFlags {
  std::string run;
  bool resume = false, overwrite = false;
};

bool is_empty(const fs::path& folder) { return !fs::exists(folder) || fs::is_empty(folder); }

// A resumed run must be the same run: what may differ is how long and where it runs.
void check_same(const Experiment& now, const fs::path& saved) {
  const auto strip = [](Experiment e) {
    const Experiment defaults;
    e.device = defaults.device;
    e.data.workers = e.data.prefetch = e.data.cache_mb = 0;
    e.train.epochs = e.train.max_steps = e.train.keep = 0;
    e.train.checkpoint_every = e.train.eval_every = 0;
    e.eval = defaults.eval;
    return config::write(e);
  };
  const auto old = strip(config::read<Experiment>(config::load(saved.string()), ""));
  const auto fresh = strip(now);
  for (const auto& section : fresh) {
    const auto key = section.first.as<std::string>();
    VTR_CHECK(
        config::to_text(section.second) == config::to_text(old[key]),
        "{}: its `{}` differs from what is asked for now; give another --run, or leave --config "
        "and the overrides out to go on as it was",
        saved.string(), key);
  }
}

// Whether the folder may be written to.
void check_free(const Flags& flags) {
  VTR_CHECK(!(flags.resume && flags.overwrite), "--resume and --overwrite: give one of them");
  if (flags.resume || is_empty(flags.run)) return;
  VTR_CHECK(flags.overwrite,
            "{}: is there already; --resume goes on with it, --overwrite starts it anew",
            flags.run);
  VTR_CHECK(fs::exists(fs::path(flags.run) / "config.yaml"),
            "{}: is no run's folder (no config.yaml in it) and is not overwritten", flags.run);
}

void open_run(const fs::path& run, const Flags& flags, const Experiment& experiment) {
  if (flags.overwrite) fs::remove_all(run);
  fs::create_directories(run);
  log::add_file(run / "log.txt");
  write_file(run / "config.yaml", config::to_text(config::write(experiment)));
  write_file(run / "env.json", report::to_json(environment(experiment)) + "\n");
}

int train(const Flags& given) {
  Flags flags = given;
  const bool from_run = flags.resume && flags.config.empty();
  if (from_run) flags.config = (fs::path(flags.run) / "config.yaml").string();
  auto experiment = read_experiment(flags.config, flags.overrides);
  if (flags.run.empty()) flags.run = (fs::path("runs") / fs::path(flags.config).stem()).string();
  check_free(flags);
  models::open_device(experiment.device);  // its libraries go before any weights are read
  const auto found =
      flags.resume ? train::latest_checkpoint(flags.run) : std::optional<train::Checkpoint>();
  resolve_inputs(experiment, /*read_weights=*/!(found && from_run));
  if (found) check_same(experiment, fs::path(flags.run) / "config.yaml");

  const auto seed = static_cast<uint64_t>(experiment.train.seed);
  const auto train_split = data::read_split(experiment.data, data::Split::train, seed);
  const auto val_split = data::read_split(experiment.data, data::Split::val, seed);
  const auto model = build_model(experiment, /*load_weights=*/!found);
  const auto tokenizer = build_tokenizer(experiment, model->encoders());
  train::Trainer trainer({.model = *model,
                          .tokenizer = *tokenizer,
                          .train = train_split,
                          .val = val_split,
                          .loader = loader_settings(experiment, *model),
                          .options = experiment.train,
                          .eval = experiment.eval},
                         flags.run);
  open_run(flags.run, flags, experiment);  // from here on there is something to keep
  log::info("[train] {}: {} videos, {} captions; validation: {} videos", train_split.name,
            train_split.videos.size(), train_split.captions(), val_split.videos.size());
  log::info("[train] head {} on {}, run {}", experiment.model.head.name, model->device().str(),
            flags.run);
  if (trainer.run() == train::Outcome::stopped) {
    log::info("[train] stopped and saved; go on with: vtr train --run {} --resume", flags.run);
    return kStopped;
  }
  log::info("[train] done; next: vtr eval --run {}", flags.run);
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--run", flags->run, "the run's folder; runs/<config's name> when left out");
  app.add_flag("--resume", flags->resume, "start, or go on from the newest checkpoint");
  app.add_flag("--overwrite", flags->overwrite, "remove the run's folder first");
  return [flags] { return train(*flags); };
}

}  // namespace

Command train_command() { return {"train", "train a model, and keep it in a run's folder", add}; }

}  // namespace vtr::cli
