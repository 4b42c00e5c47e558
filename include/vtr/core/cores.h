// The CPU cores of this process, for whoever starts threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>

namespace vtr {

// This process's share of those that its affinity mask and its container's quota (cgroup v2) allow;
// at least 1.
int64_t cores();

// From now on so many processes like this one share the machine and its quota: under one mask, as
// those that torchrun starts, or with `own_masks`, as srun may give each task.
void share_cores(int64_t processes, bool own_masks);

// The CPU time (cgroup v2, cpu.max) allowed to the groups on the way from `root` to the one that
// `membership`, the text of /proc/self/cgroup, names, in cores, rounded up; INT64_MAX without a
// limit. Groups that are not to be seen from here, as from inside a container, are passed over.
int64_t quota_of(const std::filesystem::path& root, std::istream& membership);

}  // namespace vtr
