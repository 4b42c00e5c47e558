// What a run's validations have come to: which step is the best, and how many since were no better.
// They are kept in one place, the run's validation.jsonl.
#pragma once

#include "vtr/core/files.h"

#include <cstdint>
#include <string>
#include <utility>

namespace vtr::train {

class Validations {
 public:
  Validations() = default;
  // Those up to `step`, of the file.
  Validations(const fs::path& run, int64_t step);
  // True when this one is the best so far: R@1 first, the mean rank settles equal ones; of equal
  // ones the newer.
  bool add(int64_t step, double r1, double mnr);
  bool has(int64_t step) const { return step == last_; }  // asked of the newest step
  int64_t best_step() const { return best_step_; }        // 0: none
  int64_t worse() const { return worse_; }                // in a row, up to now
  std::string describe() const;                           // "up to step 400, the best 300, 1 since"

 private:
  std::pair<double, double> best_{-1, 0};  // R@1, and the mean rank's negative
  int64_t best_step_ = 0, worse_ = 0, last_ = 0;
};

}  // namespace vtr::train
