// What a sweep has found so far: tables of means and deviations over the seeds, and plots.
#pragma once

#include "vtr/core/files.h"
#include "vtr/report/table.h"
#include "vtr/sweep/plan.h"

#include <map>
#include <string>
#include <vector>

namespace vtr::sweep {

// A row of `vtr eval --json`.
struct Figures {
  std::string split, direction;
  std::map<std::string, double> values;  // of kMetrics
};

struct Result {
  Cell cell;
  std::vector<Figures> figures;  // none: not finished
  std::string error;             // of a failed one
};

// None where there is no such file, or a split of `splits` is not in it. Throws Error for a file
// that `vtr eval --json` did not write.
std::vector<Figures> read_figures(const fs::path& file, const std::vector<std::string>& splits);

struct Statistic {
  double mean = 0, deviation = 0;  // of a sample: over n - 1; NaN of less than two values
};
Statistic statistic(const std::vector<double>& values);

// A row for each split, direction and variant, and the published ones.
report::TextTable table(const SweepOptions& options, const std::vector<Result>& results);
// A line for each cell that failed, and how many are not finished.
std::string missing(const std::vector<Result>& results);
// The table for a terminal, and what is missing.
std::string table_text(const SweepOptions& options, const std::vector<Result>& results);

// results.json, .csv, .md and .tex in the sweep's folder, and plots/<split>_<metric>.svg; each
// whole or as it was.
void write_results(const fs::path& folder, const SweepOptions& options,
                   const std::vector<Result>& results);

}  // namespace vtr::sweep
