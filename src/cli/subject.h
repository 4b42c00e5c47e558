// A model that is there: a run's chosen checkpoint, one checkpoint, or a configuration's weights as
// they are.
#pragma once

#include "commands.h"
#include "experiment.h"

#include <optional>

namespace vtr::cli {

struct Subject {
  std::string label;  // as it was asked for
  Experiment experiment;
  std::optional<fs::path> checkpoint;
  fs::path run;  // its folder; of a configuration: empty
};

// Of the runs or checkpoints, or, with none of them, of --config.
std::vector<Subject> open_subjects(const std::vector<std::string>& runs, const ConfigFlags& flags);

struct Loaded {
  std::shared_ptr<models::Retriever> model;
  std::unique_ptr<text::Tokenizer> tokenizer;
};
// Fills in what the weights tell about the experiment. Throws Error when the data's folder or the
// weights are not there.
Loaded load(Subject& subject);

}  // namespace vtr::cli
