#include "commands.h"
#include "experiment.h"
#include "job.h"
#include "splits.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/weights/imports.h"
#include "vtr/train/checkpoint.h"
#include "vtr/train/trainer.h"

#include <torch/types.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

namespace vtr::cli {
namespace {

constexpr int kTerminated = 143, kInterrupted = 130;  // 128 + the signal

struct Flags : ConfigFlags {
  std::string run, init_from;
  bool resume = false, overwrite = false;
  int64_t profile = 0;
};

// A resumed run must be the same run: what may differ is how long and where it runs, and what ends
// it.
void check_same(const Experiment& now, const fs::path& saved) {
  const auto strip = [](const Experiment& whole) {
    const Experiment defaults;
    Experiment e = with_file_names(without_places(whole));
    e.train.epochs = e.train.max_steps = e.train.keep = 0;
    e.train.checkpoint_every = e.train.eval_every = e.train.log_every = 0;
    e.train.patience = e.train.max_skips = 0;
    e.train.divergence = 0;
    e.train.non_finite = defaults.train.non_finite;
    e.train.micro_batch = e.train.dist_timeout = 0;
    e.data.on_error = defaults.data.on_error;
    e.train.init_from = "";
    e.train.checkpoint_activations = defaults.train.checkpoint_activations;
    e.eval = defaults.eval;
    return config::write(e);
  };
  const auto old = strip(config::read<Experiment>(config::load(saved.string()), ""));
  const std::string difference = config::first_difference(old, strip(now));
  VTR_CHECK(difference.empty(),
            "{}: was begun with other options: {}, first then, then now; give another --run, or "
            "leave --config and the overrides out to go on as it was",
            saved.string(), difference);
}

void start_from(models::Retriever& model, const std::string& path) {
  const auto missing = train::init_from(model, path);
  log::info("[train] weights of {}", path);
  if (missing.empty()) return;
  log::warn("[train] not found there, left at their start: {}", models::grouped(missing));
}

// What it starts from, and on what.
void announce(const Experiment& e, const Splits& splits, bool random_encoders) {
  const auto &train = splits.train, &val = splits.val;
  log_notes(train);
  log_notes(val);
  log::info("[train] {}: {} videos, {} captions, {} skipped; validation: {} videos, {} skipped",
            train.name, train.videos.size(), train.captions(), train.skipped.size(),
            val.videos.size(), val.skipped.size());
  if (random_encoders) {  // as the generated benchmark is meant to be trained
    log::write(e.data.dataset == "shapes" ? log::Level::info : log::Level::warning,
               "[model] no model.weights: the encoders start from random weights");
  }
  if (e.train.select_on == "test") {
    log::warn(
        "[train] train.select_on: the checkpoint is chosen on the test split {}; its figures "
        "there are no longer those of unseen data",
        val.name);
    if (e.data.val_fraction > 0 && e.data.val.empty())
      log::warn("[train] data.val_fraction={} holds videos back that nothing uses; 0 trains on all",
                e.data.val_fraction);
  }
}

int64_t shared(const data::Manifest& a, const data::Manifest& b) {
  std::set<std::string> ids;
  for (const auto& video : a.videos) ids.insert(video.id);
  return std::ranges::count_if(b.videos, [&](const auto& v) { return ids.contains(v.id); });
}

// What `vtr eval` will meet, told before the training instead of after it.
void look_at_test(const Experiment& e, const Splits& splits) {
  const auto warn_shared = [](const data::Manifest& a, const data::Manifest& b, const char* what) {
    if (const int64_t videos = shared(a, b); videos > 0)
      log::warn("[data] {} videos of {} are in {} too: {}", videos, b.name, a.name, what);
  };
  warn_shared(splits.train, splits.val, "the checkpoint is chosen on what was trained on");
  if (e.train.select_on == "test") return;
  try {
    const auto test =
        data::read_split(e.data, data::Split::test, static_cast<uint64_t>(e.train.seed));
    warn_shared(splits.train, test, "its figures will be of what was trained on");
    warn_shared(splits.val, test, "its figures will be of what chose the checkpoint");
  } catch (const Error& error) {
    log::warn("[data] data.test={}: vtr eval would fail: {}", e.data.test, error.what());
  }
}

// Held as long as it trains; one that is new goes again where nothing came into it.
class RunFolder {
 public:
  explicit RunFolder(fs::path path) : path_(std::move(path)), made_(make(path_)), lock_(path_) {}
  ~RunFolder() {
    std::error_code ignored;
    if (made_ && fs::is_empty(path_, ignored)) fs::remove(path_, ignored);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  static bool make(const fs::path& path) {
    VTR_CHECK(!fs::exists(path) || fs::is_directory(path),
              "--run {}: is a file, a folder is needed", path.string());
    return fs::create_directories(path);
  }
  fs::path path_;
  bool made_;
  FolderLock lock_;
};

int train(const Flags& flags, bool from_run, Experiment experiment, dist::Group& group) {
  const bool writes = group.rank() == 0;
  std::optional<RunFolder> folder;
  if (writes) folder.emplace(flags.run);
  const auto found =
      flags.resume ? train::latest_checkpoint(flags.run) : std::optional<train::Checkpoint>();
  if (writes && !found) check_free(flags.run, flags.overwrite, flags.resume);
  const auto device = own_device(experiment.device, group);  // before any weights are read
  resolve_inputs(experiment, /*read_weights=*/!(found && from_run));
  if (found) check_same(experiment, fs::path(flags.run) / "config.yaml");
  if (!found) check_init_from(experiment);

  const bool on_test = experiment.train.select_on == "test";
  const auto splits = read_splits(experiment.data, on_test ? data::Split::test : data::Split::val,
                                  static_cast<uint64_t>(experiment.train.seed));
  const auto &train_split = splits.train, &val_split = splits.val;
  if (found) check_splits(flags.run, splits);
  group.check_same("the checkpoint to go on from",
                   found ? found->folder.filename().string() : "none");
  group.check_same("the data", train_split.sha256() + " " + val_split.sha256());
  auto alike = with_file_names(without_places(experiment));
  alike.model.weights.clear();
  alike.train.init_from.clear();
  for (const auto& section : config::write(alike)) {
    group.check_same(fmt::format("`{}` of the configuration", section.first.as<std::string>()),
                     config::to_text(section.second));
  }
  auto here = experiment;
  here.device = device;
  const auto model = build_model(here, /*load_weights=*/!found);
  group.open(model->device());
  const auto tokenizer = build_tokenizer(experiment, model->encoders());
  const auto& first = experiment.train.init_from;
  if (!found && !first.empty()) start_from(*model, first);
  train::Trainer trainer({.encoding = encoding(experiment, *model, *tokenizer),
                          .train = train_split,
                          .val = val_split,
                          .from = found,
                          .options = experiment.train,
                          .workspace_mb = experiment.eval.workspace_mb,
                          .group = group,
                          .profile = flags.profile},
                         flags.run);
  if (writes) {
    open_run(flags.run, flags.overwrite, experiment);  // from here on there is something to keep
    write_splits(flags.run, splits);
    announce(experiment, splits, !found && first.empty() && experiment.model.weights.empty());
    look_at_test(experiment, splits);
    log::info("[train] head {} on {}, run {}", experiment.model.head.name, model->device().str(),
              flags.run);
  }
  const auto outcome = trainer.run();
  if (outcome == train::Outcome::finished) {
    log::info("[train] done; next: vtr eval --run {}", flags.run);
    return 0;
  }
  log::info("[train] stopped and saved; go on with: vtr train --run {} --resume", flags.run);
  return outcome == train::Outcome::interrupted ? kInterrupted : kTerminated;
}

int train(const Flags& given) {
  Flags flags = given;
  const bool from_run = flags.resume && flags.config.empty();
  if (from_run) {
    VTR_CHECK(!flags.run.empty(), "--resume: of which run? give --run, or --config to start one");
    flags.config = (fs::path(flags.run) / "config.yaml").string();
    VTR_CHECK(fs::exists(flags.config),
              "{}: no run to go on with (no config.yaml in it); --config starts one", flags.run);
  }
  VTR_CHECK(!flags.config.empty() || flags.run.empty() ||
                !fs::exists(fs::path(flags.run) / "config.yaml"),
            "{0}: is a run: go on with it by --resume, or start another with --config and --run",
            flags.run);
  auto experiment = read_experiment(flags.config, flags.overrides);
  if (!flags.init_from.empty()) experiment.train.init_from = flags.init_from;
  if (flags.run.empty()) flags.run = (fs::path("runs") / fs::path(flags.config).stem()).string();
  VTR_CHECK(!(flags.resume && flags.overwrite), "--resume and --overwrite: give one of them");
  return as_job(std::chrono::seconds(experiment.train.dist_timeout),
                [&](dist::Group& group) { return train(flags, from_run, experiment, group); });
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--run", flags->run, "the run's folder; runs/<config's name> when left out");
  app.add_option("--init-from", flags->init_from,
                 "start from the weights of a run, a checkpoint or a model.safetensors: "
                 "train.init_from");
  app.add_flag("--resume", flags->resume, "start, or go on from the newest checkpoint");
  app.add_flag("--overwrite", flags->overwrite, "remove the run's folder first");
  app.add_flag("--profile{5}", flags->profile,
               "where the time of so many steps goes, the first two left out: a table, and "
               "profile.json in the run's folder; --profile=20 for others than 5")
      ->check(CLI::Range(1, 1'000'000));
  return [flags] { return train(*flags); };
}

}  // namespace

Command train_command() { return {"train", "train a model, and keep it in a run's folder", add}; }

}  // namespace vtr::cli
