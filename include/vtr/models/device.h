// Where tensors live. One program serves CPU and GPU: the CUDA libraries are loaded when asked for.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace vtr::models {

// "cpu", "cuda", "cuda:1", or "auto": CUDA where a GPU and its libraries are, else the CPU. Throws
// Error with the reason when CUDA is asked for and cannot be had.
c10::Device open_device(const std::string& name);

// Loads LibTorch's CUDA libraries for good, where there are any; open_device does too, if it may be
// CUDA that is meant.
void load_cuda();

}  // namespace vtr::models
