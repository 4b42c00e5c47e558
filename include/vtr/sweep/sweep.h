// A sweep from its start or from where it was left: which cells are there, which stores they share,
// their processes, their results.
#pragma once

#include "vtr/core/files.h"
#include "vtr/sweep/plan.h"

#include <functional>
#include <string>
#include <vector>

namespace vtr::sweep {

struct Request {
  SweepOptions options;
  std::vector<Cell> cells;
  fs::path folder;                 // <cell>/seed<N> is a run's folder; beside it .yaml .log .json
  std::vector<std::string> rerun;  // variants and cells whose results are thrown away first
  std::vector<std::string> devices;
  Resolve without_places;  // of an experiment what must be the same for its cell to go on
};

// What vtr encode must write for a cell's head beside frames and pooled texts: its flags.
using Extras = std::function<std::vector<std::string>(const config::Node& experiment)>;

struct Ending {
  int signal = 0;      // that stopped it
  int64_t failed = 0;  // cells
  std::string table;
};

// The table has the request's cells and those finished in the folder that differ in their seed
// alone. Throws Error for a folder that another sweep is at work in or that holds something else,
// and for a cell that was begun with other options than it has now; the folder is then as it was.
Ending run(const Request& request, const Extras& extras);

}  // namespace vtr::sweep
