// The plots of a sweep, from its grouped figures.
#pragma once

#include "grouped.h"

#include "vtr/core/files.h"

namespace vtr::sweep {

void write_plots(const fs::path& folder, const SweepOptions& options,
                 const std::vector<Group>& groups);

}  // namespace vtr::sweep
