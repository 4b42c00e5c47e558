// Stores that cells share: features of the same frames and encoders, packed frames.
#pragma once

#include "runner.h"

#include "vtr/sweep/sweep.h"

namespace vtr::sweep {

struct Store {
  Job job;                         // which makes it
  std::string option;              // by which a cell reads it: "data.features=DIR"
  std::vector<size_t> cells = {};  // that do
  fs::path file;                   // the experiment of the first of them, for the job
  std::string experiment;
};

// Of the cells `wanted`, under `folder`.
std::vector<Store> shared_stores(const Request& request, const std::vector<size_t>& wanted,
                                 const Extras& extras);

}  // namespace vtr::sweep
