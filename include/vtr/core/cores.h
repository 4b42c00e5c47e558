// The CPU cores of this process, for whoever starts threads.
#pragma once

#include <cstdint>

namespace vtr {

// Those of its affinity mask (SLURM, taskset), at most its share of the machine's; at least 1.
int64_t cores();

// From now on so many processes like this one share the machine.
void share_cores(int64_t processes);

}  // namespace vtr
