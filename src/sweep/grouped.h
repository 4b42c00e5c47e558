// A variant's figures over its seeds.
#pragma once

#include "summary.h"

namespace vtr::sweep {

struct Group {
  std::string split, direction;
  const Cell* cell = nullptr;  // the first of the variant
  int64_t seeds = 0;           // that have figures
  std::map<std::string, Statistic> statistics = {};
};

}  // namespace vtr::sweep
