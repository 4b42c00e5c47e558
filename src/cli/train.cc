#include "commands.h"
#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/dist/group.h"
#include "vtr/models/device.h"
#include "vtr/train/checkpoint.h"
#include "vtr/train/trainer.h"

#include <torch/torch.h>

#include <memory>
#include <optional>

namespace vtr::cli {
namespace {

constexpr int kStopped = 143;
constexpr const char* kValidation = "validation.txt";

struct Flags : ConfigFlags {
  std::string run;
  bool resume = false, overwrite = false;
};

// A resumed run must be the same run: what may differ is how long and where it runs.
void check_same(const Experiment& now, const fs::path& saved) {
  const auto strip = [](Experiment e) {
    const Experiment defaults;
    e.device = defaults.device;
    e.data.workers = e.data.prefetch_mb = e.data.cache_mb = 0;
    e.data.decode_seconds = 0;
    e.data.verify = defaults.data.verify;
    e.train.epochs = e.train.max_steps = e.train.keep = 0;
    e.train.checkpoint_every = e.train.eval_every = 0;
    e.train.micro_batch = e.train.dist_timeout = 0;
    e.train.checkpoint_activations = defaults.train.checkpoint_activations;
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

std::string validation_list(const data::Manifest& val) {
  std::string text;
  for (const auto& video : val.videos) text += video.id + "\n";
  return text;
}

// A run keeps its validation videos, an id a line. A resumed run must choose by the same ones.
void check_validation(const fs::path& run, const data::Manifest& val) {
  const fs::path path = run / kValidation;
  VTR_CHECK(!fs::exists(path) || read_file(path) == validation_list(val),
            "{}: the validation split is another one now (were annotations or data.skip_list "
            "changed?); give another --run",
            path.string());
}

// What every process of a job does; the first one writes, the others only warn.
int train(const Flags& flags, bool from_run, Experiment experiment, dist::Group& group) {
  const bool writes = group.rank() == 0;
  if (!writes) log::set_level("warning");
  if (!flags.resume && writes) check_free(flags.run, flags.overwrite);
  models::open_device(experiment.device);  // its libraries go before any weights are read
  const auto found =
      flags.resume ? train::latest_checkpoint(flags.run) : std::optional<train::Checkpoint>();
  resolve_inputs(experiment, /*read_weights=*/!(found && from_run));
  if (found) check_same(experiment, fs::path(flags.run) / "config.yaml");

  const auto seed = static_cast<uint64_t>(experiment.train.seed);
  const auto train_split = data::read_split(experiment.data, data::Split::train, seed);
  const auto val_split = data::read_split(experiment.data, data::Split::val, seed);
  if (found) check_validation(flags.run, val_split);
  auto here = experiment;  // each process of a machine on a GPU of its own
  const bool numbered = experiment.device.starts_with("cuda:");
  if (group.size() > 1 && !numbered && models::open_device(experiment.device).is_cuda()) {
    here.device = fmt::format("cuda:{}", group.local_rank());
  }
  const auto model = build_model(here, /*load_weights=*/!found);
  const auto tokenizer = build_tokenizer(experiment, model->encoders());
  train::Trainer trainer({.encoding = encoding(experiment, *model, *tokenizer),
                          .train = train_split,
                          .val = val_split,
                          .from = found,
                          .options = experiment.train,
                          .workspace_mb = experiment.eval.workspace_mb,
                          .group = group},
                         flags.run);
  if (writes) {
    open_run(flags.run, flags.overwrite, experiment);  // from here on there is something to keep
    write_file(fs::path(flags.run) / kValidation, validation_list(val_split));
  }
  log::info("[train] {}: {} videos, {} captions, {} skipped; validation: {} videos, {} skipped",
            train_split.name, train_split.videos.size(), train_split.captions(),
            train_split.skipped, val_split.videos.size(), val_split.skipped);
  log::info("[train] head {} on {}, run {}", experiment.model.head.name, model->device().str(),
            flags.run);
  if (trainer.run() == train::Outcome::stopped) {
    log::info("[train] stopped and saved; go on with: vtr train --run {} --resume", flags.run);
    return kStopped;
  }
  log::info("[train] done; next: vtr eval --run {}", flags.run);
  return 0;
}

int train(const Flags& given) {
  Flags flags = given;
  const bool from_run = flags.resume && flags.config.empty();
  if (from_run) flags.config = (fs::path(flags.run) / "config.yaml").string();
  const auto experiment = read_experiment(flags.config, flags.overrides);
  if (flags.run.empty()) flags.run = (fs::path("runs") / fs::path(flags.config).stem()).string();
  VTR_CHECK(!(flags.resume && flags.overwrite), "--resume and --overwrite: give one of them");
  dist::Group group(dist::World::of_environment(),
                    std::chrono::seconds(experiment.train.dist_timeout));
  try {
    return train(flags, from_run, experiment, group);
  } catch (const std::exception& error) {
    group.fail(error.what());
    throw;
  }
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
