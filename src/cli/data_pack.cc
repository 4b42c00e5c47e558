#include "experiment.h"
#include "parts.h"
#include "splits.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/data/frame_store.h"
#include "vtr/report/progress.h"

#include <memory>
#include <optional>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string out;
  std::vector<std::string> splits;
  StructFlags<data::PackOptions> options;
};

int pack(const Flags& flags) {
  auto experiment = read_experiment(flags.config, flags.overrides);
  experiment.data.store.clear();  // the videos themselves are read
  resolve_inputs(experiment, /*read_weights=*/true);
  const auto settings =
      loader_settings(experiment, *build_model(experiment, /*load_weights=*/false));
  std::vector<data::PackPart> parts;
  int64_t listed = 0;  // in data.skip_list
  for (const auto& name : flags.splits) {
    auto [split, manifest] = read_named(experiment.data, name, settings.seed);
    if (manifest.videos.empty()) {  // there is no validation split
      VTR_CHECK(flags.splits.size() > 1,
                "--split {}: the configuration has none (data.val, data.val_fraction)", name);
      continue;
    }
    listed += std::ssize(manifest.skipped);
    parts.push_back({std::move(manifest), settings.request(split)});
  }
  std::optional<report::Progress> progress;
  const auto packed = data::pack(parts, flags.options.read(), experiment.data, flags.out,
                                 [&](int64_t done, int64_t total) {
                                   if (!progress)
                                     progress.emplace("pack", "videos", total, done - 1);
                                   progress->advance(1);
                                 });
  progress.reset();
  const int64_t unreadable = std::ssize(packed.unreadable);
  if (unreadable > 0)
    log::warn("[data] {} videos could not be read: {}{}", unreadable, packed.unreadable.front(),
              unreadable > 1 ? ", ..." : "");
  log::info("[data] {}: {} videos, {} skipped, {:.1f} MB; read it by data.store={}", flags.out,
            packed.videos, listed + unreadable, static_cast<double>(packed.bytes) / (1 << 20),
            flags.out);
  return 0;
}

}  // namespace

Action add_data_pack(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  flags->splits = {"train", "val", "test"};
  app.add_option("--out", flags->out, "folder of the store; goes on with one that is not whole")
      ->required();
  app.add_option("--split", flags->splits,
                 "train, val, test or a test split's name, each as it samples and crops; may be "
                 "given several times")
      ->allow_extra_args(false)
      ->capture_default_str();
  flags->options.add(app);
  return [flags] { return pack(*flags); };
}

}  // namespace vtr::cli
