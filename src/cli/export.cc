#include "vtr/models/weights/export.h"

#include "commands.h"
#include "experiment.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/train/checkpoint.h"

#include <memory>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string run, out;
  bool half = false, overwrite = false;
};

// The encoders of a run's chosen checkpoint, or those of a configuration's weights.
int export_encoders(const Flags& flags) {
  VTR_CHECK(flags.overwrite || !fs::exists(flags.out),
            "{}: is there already (--overwrite replaces it)", flags.out);
  check_file("--out", flags.out);
  const bool from_run = !flags.run.empty();
  VTR_CHECK(!from_run || flags.config.empty(),
            "--run and --config: give one of them; a run has its own configuration");
  const std::string config =
      from_run ? (fs::path(flags.run) / "config.yaml").string() : flags.config;
  auto experiment = read_experiment(config, flags.overrides);
  resolve_weights(experiment, /*read_weights=*/!from_run);
  const auto model = build_model(experiment, /*load_weights=*/!from_run);
  if (from_run) train::load_model(*model, train::chosen_checkpoint(flags.run).folder);
  const fs::path out = flags.out;
  if (out.extension() == ".safetensors") {
    models::export_safetensors(model->encoders(), out, flags.half);
  } else {
    models::export_torchscript(model->encoders(), out, flags.half);
  }
  log::info("[export] {}: {:.1f} MB", out.string(), static_cast<double>(fs::file_size(out)) / 1e6);
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--run", flags->run, "the run whose encoders are written");
  app.add_option("--out", flags->out,
                 "FILE.safetensors, or any other name for a TorchScript archive")
      ->required();
  app.add_flag("--half", flags->half, "weights in float16");
  app.add_flag("--overwrite", flags->overwrite, "replace the file");
  return [flags] { return export_encoders(*flags); };
}

}  // namespace

Command export_command() { return {"export", "write a run's encoders for others to read", add}; }

}  // namespace vtr::cli
