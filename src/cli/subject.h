// A model that is there: a run's chosen checkpoint, one checkpoint, or a configuration's weights as
// they are.
#pragma once

#include "commands.h"
#include "experiment.h"

#include <optional>

namespace vtr::cli {

// Weights over a configuration: CLIP's of any kind, a checkpoint of ours with its head, or, with
// `from`, a published system's (vtr list systems).
struct WeightsFlags {
  std::string file, from;
};

struct Subject {
  std::string label;  // as it was asked for
  Experiment experiment;
  std::optional<fs::path> checkpoint{};
  fs::path run{};          // its folder; of a configuration: empty
  WeightsFlags weights{};  // of a configuration
  bool chosen = true;      // its checkpoint is the run's own choice
};

// Of the runs or checkpoints, or, with none of them, of --config and its weights.
std::vector<Subject> open_subjects(const std::vector<std::string>& runs, const ConfigFlags& flags,
                                   const WeightsFlags& weights = {});

// Without what the command line lays over it; a configuration is its own with it.
Experiment own_experiment(const Subject& subject);

struct Loaded {
  std::shared_ptr<models::Retriever> model;
  std::unique_ptr<text::Tokenizer> tokenizer;
};
// Fills in what the weights tell about the experiment. Throws Error when the data's folder or the
// weights are not there.
Loaded load(Subject& subject);

}  // namespace vtr::cli
