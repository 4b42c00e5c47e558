// libvtr_nccl.so: NCCL's process group for the program, which loads this where a GPU is
// (src/dist/nccl_library.h).
#include "nccl_library.h"

#define USE_C10D_NCCL  // as the wheel's LibTorch is built
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

// Whoever waits longer than `limit` is told who is late by the processes' exchange over the CPU, so
// NCCL's own watch, which ends the process without a name, comes behind it.
extern "C" void vtr_make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                              std::chrono::milliseconds limit,
                              c10::intrusive_ptr<c10d::Backend>& result) {
  auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  options->timeout = 2 * limit + std::chrono::minutes(1);
  result = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
}
