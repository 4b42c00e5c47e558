#include "vtr/core/cores.h"

#include <algorithm>
#include <atomic>
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

}  // namespace

int64_t cores() {
  const auto machine = static_cast<int64_t>(std::thread::hardware_concurrency());
  return std::max<int64_t>(1, std::min(allowed() / of_mask, machine / of_machine));
}

void share_cores(int64_t processes, bool own_masks) {
  of_machine = std::max<int64_t>(1, processes);
  of_mask = own_masks ? 1 : of_machine.load();
}

}  // namespace vtr
