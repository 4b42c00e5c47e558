// The CPU cores of this process, for whoever starts threads.
#pragma once

#include <cstdint>

namespace vtr {

// This process's share of those that its affinity mask allows; at least 1. A container's quota of
// CPU time is not asked.
int64_t cores();

// From now on so many processes like this one share the machine: under one mask, as those that
// torchrun starts, or with `own_masks`, as srun may give each task.
void share_cores(int64_t processes, bool own_masks);

}  // namespace vtr
