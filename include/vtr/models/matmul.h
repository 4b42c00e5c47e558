// Which library forms the CPU's float32 matrix products: MKL, LibTorch's default, or oneDNN, which
// on AMD's CPUs with AVX-512 is more than twice as fast.
#pragma once

#include <string>

namespace vtr::models {

// "mkl"; "onednn", where LibTorch can hand products to it (AVX-512), which rounds their factors to
// bfloat16 on CPUs with units for that (AMX) and nowhere else; "auto": onednn where it is the
// faster of two exact ways. The two differ in the order of their sums. Throws Error where onednn
// cannot be had.
void choose_matmul(const std::string& name);
bool onednn_multiplies();  // chosen so, here or through LibTorch

}  // namespace vtr::models
