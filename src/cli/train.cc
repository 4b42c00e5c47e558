#include "commands.h"
#include "experiment.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/device.h"
#include "vtr/models/weights/imports.h"
#include "vtr/train/checkpoint.h"
#include "vtr/train/trainer.h"

#include <torch/torch.h>

#include <memory>
#include <optional>

namespace vtr::cli {
namespace {

constexpr int kTerminated = 143, kInterrupted = 130;  // 128 + the signal
constexpr const char* kValidation = "validation.txt";

struct Flags : ConfigFlags {
  std::string run, init_from;
  bool resume = false, overwrite = false;
};

// A resumed run must be the same run: what may differ is how long and where it runs, and what ends
// it.
void check_same(const Experiment& now, const fs::path& saved) {
  const auto strip = [](Experiment e) {
    const Experiment defaults;
    e.device = defaults.device;
    e.data.workers = e.data.prefetch_mb = e.data.cache_mb = 0;
    e.data.decode_seconds = 0;
    e.data.verify = defaults.data.verify;
    e.train.epochs = e.train.max_steps = e.train.keep = 0;
    e.train.checkpoint_every = e.train.eval_every = e.train.log_every = 0;
    e.train.patience = e.train.max_skips = 0;
    e.train.divergence = 0;
    e.train.non_finite = defaults.train.non_finite;
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

void start_from(models::Retriever& model, const std::string& path) {
  const auto missing = train::init_from(model, path);
  log::info("[train] weights of {}", path);
  if (missing.empty()) return;
  log::warn("[train] not found there, left at their start: {}", models::grouped(missing));
}

int train(const Flags& given) {
  Flags flags = given;
  const bool from_run = flags.resume && flags.config.empty();
  if (from_run) flags.config = (fs::path(flags.run) / "config.yaml").string();
  auto experiment = read_experiment(flags.config, flags.overrides);
  if (flags.run.empty()) flags.run = (fs::path("runs") / fs::path(flags.config).stem()).string();
  VTR_CHECK(!(flags.resume && flags.overwrite), "--resume and --overwrite: give one of them");
  std::optional<FolderLock> lock;  // as long as it trains
  if (fs::exists(flags.run)) lock.emplace(flags.run);
  if (!flags.resume) check_free(flags.run, flags.overwrite);
  models::open_device(experiment.device);  // its libraries go before any weights are read
  const auto found =
      flags.resume ? train::latest_checkpoint(flags.run) : std::optional<train::Checkpoint>();
  resolve_inputs(experiment, /*read_weights=*/!(found && from_run));
  if (found) check_same(experiment, fs::path(flags.run) / "config.yaml");

  const auto seed = static_cast<uint64_t>(experiment.train.seed);
  const auto train_split = data::read_split(experiment.data, data::Split::train, seed);
  const bool on_test = experiment.train.select_on == "test";
  const auto val_split =
      data::read_split(experiment.data, on_test ? data::Split::test : data::Split::val, seed);
  if (found) check_validation(flags.run, val_split);
  const auto model = build_model(experiment, /*load_weights=*/!found);
  const auto tokenizer = build_tokenizer(experiment, model->encoders());
  if (!found && !flags.init_from.empty()) start_from(*model, flags.init_from);
  train::Trainer trainer({.encoding = encoding(experiment, *model, *tokenizer),
                          .train = train_split,
                          .val = val_split,
                          .from = found,
                          .options = experiment.train,
                          .workspace_mb = experiment.eval.workspace_mb},
                         flags.run);
  open_run(flags.run, flags.overwrite, experiment);  // from here on there is something to keep
  if (!lock) lock.emplace(flags.run);
  write_file(fs::path(flags.run) / kValidation, validation_list(val_split));
  log::info("[train] {}: {} videos, {} captions, {} skipped; validation: {} videos, {} skipped",
            train_split.name, train_split.videos.size(), train_split.captions(),
            train_split.skipped, val_split.videos.size(), val_split.skipped);
  log::info("[train] head {} on {}, run {}", experiment.model.head.name, model->device().str(),
            flags.run);
  if (on_test) {
    log::warn(
        "[train] train.select_on: the checkpoint is chosen on the test split {}; its figures "
        "there are no longer those of unseen data",
        val_split.name);
  }
  const auto outcome = trainer.run();
  if (outcome == train::Outcome::finished) {
    log::info("[train] done; next: vtr eval --run {}", flags.run);
    return 0;
  }
  log::info("[train] stopped and saved; go on with: vtr train --run {} --resume", flags.run);
  return outcome == train::Outcome::interrupted ? kInterrupted : kTerminated;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--run", flags->run, "the run's folder; runs/<config's name> when left out");
  app.add_option("--init-from", flags->init_from,
                 "start from the weights of a run, a checkpoint or a model.safetensors");
  app.add_flag("--resume", flags->resume, "start, or go on from the newest checkpoint");
  app.add_flag("--overwrite", flags->overwrite, "remove the run's folder first");
  return [flags] { return train(*flags); };
}

}  // namespace

Command train_command() { return {"train", "train a model, and keep it in a run's folder", add}; }

}  // namespace vtr::cli
