#include "subject.h"

#include "vtr/core/error.h"
#include "vtr/models/device.h"
#include "vtr/train/checkpoint.h"

#include <torch/types.h>

namespace vtr::cli {
namespace {

Subject open_run_at(const std::string& path, const std::vector<std::string>& overrides) {
  const bool is_checkpoint = fs::exists(fs::path(path) / "model.safetensors");
  const fs::path run =
      is_checkpoint ? fs::canonical(path).parent_path().parent_path() : fs::path(path);
  VTR_CHECK(fs::exists(run / "config.yaml"), "{}: neither a run's folder nor a checkpoint", path);
  const auto checkpoint =
      is_checkpoint ? train::open_checkpoint(path) : train::chosen_checkpoint(run);
  return {path, read_experiment((run / "config.yaml").string(), overrides), checkpoint.folder, run};
}

}  // namespace

std::vector<Subject> open_subjects(const std::vector<std::string>& runs, const ConfigFlags& flags) {
  if (runs.empty()) {
    return {{flags.config, read_experiment(flags.config, flags.overrides), std::nullopt, {}}};
  }
  VTR_CHECK(flags.config.empty(),
            "--run and --config: give one of them; a run has its own configuration");
  std::vector<Subject> subjects;
  for (const auto& run : runs) subjects.push_back(open_run_at(run, flags.overrides));
  return subjects;
}

Loaded load(Subject& subject) {
  auto& e = subject.experiment;
  models::open_device(e.device);  // its libraries go before any weights are read
  if (subject.checkpoint) {
    VTR_CHECK(fs::exists(e.data.root), "data.root: {}: no such folder; give data.root=DIR",
              e.data.root);
  } else {
    resolve_inputs(e, /*read_weights=*/true);
  }
  auto model = build_model(e, /*load_weights=*/!subject.checkpoint);
  if (subject.checkpoint) train::load_model(*model, *subject.checkpoint);
  auto tokenizer = build_tokenizer(e, model->encoders());
  return {std::move(model), std::move(tokenizer)};
}

}  // namespace vtr::cli
