// NCCL's process group. LibTorch has it among its CUDA libraries, which only machines with a GPU
// load, so a library of its own makes it (tools/vtr_nccl.cc), loaded when a GPU is to be used.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <string>

namespace vtr::dist {

// What the library has under the name "vtr_make_nccl"; `result` is set.
extern "C" {
using MakeNccl = void(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                      std::chrono::milliseconds limit, c10::intrusive_ptr<c10d::Backend>& result);
}

// `library` is looked for beside the program, then as the loader does. Throws Error when it cannot
// be loaded, with the reason.
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                            int64_t rank, int64_t size,
                                            std::chrono::milliseconds limit,
                                            const std::string& library = "libvtr_nccl.so");

}  // namespace vtr::dist
