#include "vtr/core/cores.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <thread>

namespace vtr {
namespace {

std::atomic<int64_t> of_machine = 1, of_mask = 1;  // the processes that share it

// A machine of more cores than a cpu_set_t has room for gives none of them away here.
int64_t allowed() {
  cpu_set_t mask;
  return ::sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : INT64_MAX;
}

// "200000 100000": microseconds of CPU time in every so many; "max 100000" without a limit.
int64_t quota_in(const std::filesystem::path& group) {
  std::ifstream text(group / "cpu.max");
  double time = 0, period = 0;
  if (!(text >> time >> period) || time <= 0 || period <= 0) return INT64_MAX;
  return static_cast<int64_t>(std::ceil(time / period));
}

}  // namespace

int64_t quota_of(const std::filesystem::path& root, std::istream& membership) {
  std::filesystem::path group = root;
  int64_t least = quota_in(group);
  for (std::string line; std::getline(membership, line);) {
    if (!line.starts_with("0::/")) continue;  // not of version 2
    for (const auto& part : std::filesystem::path(line.substr(4))) {
      group /= part;
      least = std::min(least, quota_in(group));
    }
  }
  return least;
}

int64_t cores() {
  static const int64_t quota = [] {
    std::ifstream membership("/proc/self/cgroup");
    return quota_of("/sys/fs/cgroup", membership);
  }();
  const auto machine = std::min(quota, static_cast<int64_t>(std::thread::hardware_concurrency()));
  return std::max<int64_t>(1, std::min(allowed() / of_mask, machine / of_machine));
}

void share_cores(int64_t processes, bool own_masks) {
  of_machine = std::max<int64_t>(1, processes);
  of_mask = own_masks ? 1 : of_machine.load();
}

}  // namespace vtr
