// A run, evaluated and looked at, as a page.
#pragma once

#include "subject.h"

#include "vtr/eval/evaluator.h"
#include "vtr/report/html.h"

#include <string>

namespace vtr::cli {

struct RunReport {
  std::string name, file = {};  // of the run, of its page
  Experiment experiment;
  eval::Metrics t2v, v2t;
  report::Page page = {};
};

// Evaluates `subject` on its test split and shows `queries` of the best and of the worst answers.
// Throws Error as `load` and evaluation do.
RunReport report_on(Subject subject, const std::string& name, int64_t queries);

}  // namespace vtr::cli
