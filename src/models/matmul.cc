#include "vtr/models/matmul.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <ATen/Context.h>

namespace vtr::models {
namespace {

constexpr auto kLibrary = at::Float32Backend::MKLDNN;
constexpr auto kProducts = at::Float32Op::MATMUL;

#if defined(__x86_64__)
// LibTorch's own condition.
bool reaches_onednn() {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}
bool rounds() { return __builtin_cpu_supports("amx-bf16"); }
bool slow_in_mkl() { return __builtin_cpu_is("amd"); }
#else
bool reaches_onednn() { return false; }
bool rounds() { return false; }
bool slow_in_mkl() { return false; }
#endif

}  // namespace

void choose_matmul(const std::string& name) {
  VTR_CHECK(name != "onednn" || reaches_onednn(),
            "matmul: LibTorch hands products to onednn only on CPUs with AVX-512; auto or mkl "
            "work here");
  const bool exact = reaches_onednn() && !rounds();
  const bool chosen = name == "onednn" || (name == "auto" && exact && slow_in_mkl());
  if (chosen && !exact) {
    log::warn("[model] matmul: onednn rounds the factors of float32 products to bfloat16 here");
  }
  at::globalContext().setFloat32Precision(
      kLibrary, kProducts, chosen ? at::Float32Precision::BF16 : at::Float32Precision::IEEE);
}

bool onednn_multiplies() {
  return at::globalContext().float32Precision(kLibrary, kProducts) == at::Float32Precision::BF16;
}

}  // namespace vtr::models
