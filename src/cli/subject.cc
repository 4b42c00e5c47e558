#include "subject.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/device.h"
#include "vtr/models/weights/head_files.h"
#include "vtr/models/weights/imports.h"
#include "vtr/train/checkpoint.h"

#include <torch/types.h>

#include <algorithm>

namespace vtr::cli {
namespace {

Subject open_run_at(const std::string& path, const std::vector<std::string>& overrides) {
  const bool is_checkpoint = fs::exists(fs::path(path) / "model.safetensors");
  const fs::path run =
      is_checkpoint ? fs::canonical(path).parent_path().parent_path() : fs::path(path);
  VTR_CHECK(fs::exists(run / "config.yaml"), "{}: neither a run's folder nor a checkpoint", path);
  const auto checkpoint =
      is_checkpoint ? train::open_checkpoint(fs::canonical(path)) : train::chosen_checkpoint(run);
  return {path,
          read_experiment((run / "config.yaml").string(), overrides),
          checkpoint.folder,
          run,
          {},
          !is_checkpoint};
}

// A configuration whose encoders are as the weights have them.
Subject open_configuration(const ConfigFlags& flags, const WeightsFlags& weights) {
  auto overrides = flags.overrides;
  if (!weights.file.empty()) overrides.push_back("model.weights=" + weights.file);
  Subject subject{weights.file.empty() ? flags.config : weights.file,
                  read_experiment(flags.config, overrides)};
  subject.weights = weights;
  return subject;
}

// A published system's weights.
std::shared_ptr<models::Retriever> load_system(Experiment& e, const WeightsFlags& weights) {
  const auto found = models::read_import(weights.from, weights.file);
  e.model = models::sized(e.model, found);
  resolve_inputs(e, /*read_weights=*/false);
  auto model = build_model(e, /*load_weights=*/false);
  models::load_import(*model, found);
  return model;
}

// The encoders have theirs; the head has them too where the file holds a whole model.
void load_head_of(models::Retriever& model, const std::string& file) {
  if (model.head().parameters().empty()) return;
  const bool tensors = fs::path(file).extension() == ".safetensors";
  const auto all = tensors ? models::load_safetensors(file) : models::TensorMap();
  if (std::ranges::any_of(all, [](const auto& t) { return t.first.starts_with("head."); })) {
    return models::load_head(model.head(), all, file);
  }
  log::warn("[eval] {}: holds encoders alone; the head is as it starts, untrained", file);
}

}  // namespace

std::vector<Subject> open_subjects(const std::vector<std::string>& runs, const ConfigFlags& flags,
                                   const WeightsFlags& weights) {
  VTR_CHECK(weights.from.empty() || !weights.file.empty(),
            "--from {}: name the checkpoint with --weights", weights.from);
  if (runs.empty()) return {open_configuration(flags, weights)};
  VTR_CHECK(flags.config.empty() && weights.file.empty(),
            "--run and --config or --weights: give one of them; a run has its own configuration "
            "and weights");
  std::vector<Subject> subjects;
  for (const auto& run : runs) subjects.push_back(open_run_at(run, flags.overrides));
  return subjects;
}

Experiment own_experiment(const Subject& subject) {
  if (subject.run.empty()) return subject.experiment;
  return read_experiment((subject.run / "config.yaml").string(), {});
}

Loaded load(Subject& subject) {
  auto& e = subject.experiment;
  models::open_device(e.device);  // its libraries go before any weights are read
  if (!subject.weights.from.empty()) {
    auto model = load_system(e, subject.weights);
    auto tokenizer = build_tokenizer(e, model->encoders());
    return {std::move(model), std::move(tokenizer)};
  }
  if (subject.checkpoint) {
    VTR_CHECK(fs::exists(e.data.root), "data.root: {}: no such folder; give data.root=DIR",
              e.data.root);
  } else {
    resolve_inputs(e, /*read_weights=*/true);
  }
  auto model = build_model(e, /*load_weights=*/!subject.checkpoint);
  if (subject.checkpoint) train::load_model(*model, *subject.checkpoint);
  if (!subject.weights.file.empty()) load_head_of(*model, subject.weights.file);
  auto tokenizer = build_tokenizer(e, model->encoders());
  return {std::move(model), std::move(tokenizer)};
}

}  // namespace vtr::cli
