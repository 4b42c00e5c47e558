#include "commands.h"
#include "experiment.h"
#include "splits.h"
#include "subject.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/eval/feature_store.h"

#include <memory>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::string run, out;
  std::vector<std::string> splits;
  eval::StoreOptions store;
};

eval::SplitToEncode read(const Experiment& e, const std::string& name, const Loaded& loaded) {
  auto [split, manifest] = read_named(e.data, name, static_cast<uint64_t>(e.train.seed));
  VTR_CHECK(!manifest.videos.empty(),
            "--split {}: the configuration has none (data.val, data.val_fraction)", name);
  const auto how = encoding(e, *loaded.model, *loaded.tokenizer);
  const bool train = split == data::Split::train;
  return {train ? eval::with_training_frames(how) : how, std::move(manifest)};
}

int encode(const Flags& flags) {
  auto subject =
      open_subjects(flags.run.empty() ? std::vector<std::string>() : std::vector{flags.run}, flags)
          .front();
  const auto loaded = load(subject);
  auto& e = subject.experiment;
  e.data.features = "";  // the videos are read
  std::vector<std::string> names = flags.splits;
  if (names.empty()) {
    names = {"train", "test"};
    if (!e.data.val.empty() || e.data.val_fraction > 0) names.insert(names.begin() + 1, "val");
  }
  std::vector<eval::SplitToEncode> splits;
  for (const auto& name : names) {
    splits.push_back(read(e, name, loaded));
    const auto& manifest = splits.back().manifest;
    log::info("[encode] {}: {} videos, {} skipped", manifest.name, manifest.videos.size(),
              manifest.skipped.size());
    if (name != "val" || subject.run.empty()) continue;
    const auto change = split_change(subject.run, data::Split::val, manifest);
    if (!change.empty()) log::warn("[encode] {}", change);
  }
  eval::write_features(flags.out, flags.store, splits);
  log::info("[encode] {} is whole; next: vtr train ... data.features={}", flags.out, flags.out);
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  auto& store = flags->store;
  flags->add(app);
  app.add_option("--run", flags->run, "a run's folder or one checkpoint, whose encoders are used");
  app.add_option("--out", flags->out, "folder to write; what it has already is kept")->required();
  app.add_option("--split", flags->splits,
                 "train, val, test or a test split's name; may be given several times [all]")
      ->allow_extra_args(false);
  app.add_option("--dtype", store.dtype, "of the features")
      ->check(CLI::IsMember({"fp16", "fp32"}))
      ->capture_default_str();
  app.add_flag("--tokens", store.tokens, "of every word too, whatever the head reads");
  app.add_flag("--patches", store.patches, "of every patch too, whatever the head reads");
  app.add_option("--shard", store.shard, "videos a file")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--overwrite", store.overwrite, "remove the features that are there");
  return [flags] { return encode(*flags); };
}

}  // namespace

Command encode_command() {
  return {"encode", "write a split's features, to train and evaluate from", add};
}

}  // namespace vtr::cli
