// The parts of a run's page.
#pragma once

#include "eval_rows.h"

#include "vtr/eval/closeup.h"
#include "vtr/report/html.h"

#include <string>
#include <vector>

namespace vtr::cli {

// The metrics, both ways, with their intervals, by eval.rerank and `plain`, as the scores are,
// beside the published rows of `table`, if it is not "".
report::Section result_section(const Experiment& experiment, const std::string& table,
                               const eval::Results& results, const eval::Results& plain);
// Curves of a run's metrics.jsonl and validation.jsonl.
report::Section training_section(const fs::path& run);
// Histograms of the ranks, and the scores as a picture.
report::Section ranks_section(const eval::Evaluation& result, const eval::Results& results);
// Of some queries: the frames of their own video and of the best other one.
report::Section stories_section(const std::string& id, const std::string& title,
                                const eval::Evaluation& result,
                                const std::vector<eval::Answer>& answers,
                                const eval::Closeup& seen);
std::vector<eval::Pair> pairs_of(const std::vector<std::vector<eval::Answer>>& answers);
// What beat the wrong answers, a row each.
report::Section confusion_section(const eval::Evaluation& result,
                                  const std::vector<eval::Answer>& answers);
report::Section configuration_section(const Experiment& experiment, const fs::path& run);

}  // namespace vtr::cli
