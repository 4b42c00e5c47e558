#include "vtr/models/device.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <ATen/Context.h>

#include <dlfcn.h>
#include <filesystem>

namespace vtr::models {
namespace {

// Why CUDA cannot be used, or "". The first call loads it.
std::string cuda_fault() {
  static const std::string fault = []() -> std::string {
    // Loaded for good: it registers LibTorch's CUDA kernels, as linking would.
    if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return dlerror();
    if (!at::hasCUDA()) return "no NVIDIA driver or GPU answers";
    at::globalContext().setAllowTF32CuDNN(false);  // LibTorch's default would round float32
    return "";
  }();
  return fault;
}

}  // namespace

void load_cuda() { cuda_fault(); }

c10::Device open_device(const std::string& name) {
  if (name == "auto" && !cuda_fault().empty() && std::filesystem::exists("/proc/driver/nvidia")) {
    log::warn("[device] there is an NVIDIA driver, but the CPU is used: {}", cuda_fault());
  }
  if (name == "auto")
    return cuda_fault().empty() ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  const bool known = name == "cpu" || name == "cuda" || name.starts_with("cuda:");
  VTR_CHECK(known, "device: '{}' is not one of cpu, cuda, cuda:N, auto", name);
  if (name == "cpu") return c10::Device(c10::kCPU);
  VTR_CHECK(cuda_fault().empty(), "device: CUDA cannot be used: {}", cuda_fault());
  return name == "cuda" ? c10::Device(c10::kCUDA, 0) : c10::Device(name);
}

}  // namespace vtr::models
