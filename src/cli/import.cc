#include "commands.h"
#include "experiment.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/weights/imports.h"
#include "vtr/train/checkpoint.h"

#include <memory>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string from, weights, out;
  bool overwrite = false;
};

// The authors' weights as the first checkpoint of a run: to be evaluated, or trained further.
int import_weights(const Flags& flags) {
  check_free(flags.out, flags.overwrite);
  const auto found = models::read_import(flags.from, flags.weights);
  auto overrides = flags.overrides;
  overrides.push_back("model.weights=imported");  // the encoders' sizes are not the defaults
  auto experiment = read_experiment(flags.config, overrides);
  experiment.model = models::sized(experiment.model, found);
  make_absolute(experiment);
  const auto model = build_model(experiment, /*load_weights=*/false);
  const auto dead = models::load_import(*model, found);
  open_run(flags.out, flags.overwrite, experiment);
  const auto tensors = train::module_tensors(*model);
  train::save_checkpoint(flags.out, {.model = tensors, .optimizer = {}, .state = {}});
  log::info("[import] {} of {}: {} tensors", flags.weights, flags.from, tensors.size());
  for (const auto& [key, value] : found.metadata) log::info("[import] {}: {}", key, value);
  if (!dead.empty()) log::info("[import] never used, left out: {}", models::grouped(dead));
  log::info("[import] next: vtr eval --run {}", flags.out);
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--from", flags->from, "whose: xpool, clip4clip, .. (vtr list systems)")
      ->required();
  app.add_option("--weights", flags->weights,
                 "their checkpoint as safetensors (scripts/pickle_to_safetensors.py)")
      ->required();
  app.add_option("--out", flags->out, "the run's folder to make")->required();
  app.add_flag("--overwrite", flags->overwrite, "remove the run's folder first");
  return [flags] { return import_weights(*flags); };
}

}  // namespace

Command import_command() {
  return {"import", "a published system's checkpoint as a run, to evaluate or train further", add};
}

}  // namespace vtr::cli
