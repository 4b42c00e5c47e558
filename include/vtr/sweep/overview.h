// The folder of a sweep as others show it: from its sweep.yaml and results.json alone.
#pragma once

#include "vtr/core/files.h"
#include "vtr/report/table.h"

#include <string>
#include <utility>
#include <vector>

namespace vtr::sweep {

struct Overview {
  report::TextTable table;  // mean and deviation over the seeds, beside the published rows
  std::string missing;      // the cells that failed, and why; "": none
  std::vector<std::pair<std::string, std::string>> plots;  // title and SVG
};

bool is_sweep(const fs::path& folder);
// Throws Error for files that no sweep wrote.
Overview read_overview(const fs::path& folder);

}  // namespace vtr::sweep
