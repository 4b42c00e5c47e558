// How the CPU's matrix products are formed: float32 by MKL, LibTorch's default, or by oneDNN, which
// on AMD's CPUs with AVX-512 is more than twice as fast; bfloat16 and float16 by oneDNN, or in
// float32 where it has none of them.
#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace vtr::models {

// "mkl"; "onednn", where LibTorch can hand products to it (AVX-512), which rounds their factors to
// bfloat16 on CPUs with units for that (AMX) and nowhere else; "auto": onednn where it is the
// faster of two exact ways. The two differ in the order of their sums. Throws Error where onednn
// cannot be had.
void choose_matmul(const std::string& name);
bool onednn_multiplies();  // chosen so, here or through LibTorch

// Of the arithmetic "fp32", "bf16" or "fp16".
at::ScalarType scalar_type_of(const std::string& precision);

// Whether LibTorch has fast products of this type for this CPU: of bfloat16 with AVX-512 or
// AVX-NE-CONVERT, of float16 with AVX512-FP16 or AVX-NE-CONVERT, of all others always. Where it has
// none, it would multiply in a plain loop, a hundred times slower than float32; in any program that
// these functions are linked into, mm, addmm, bmm and baddbmm (not their forms in place) are
// float32 products of the factors there, one factor whole and the rest by blocks, rounded once:
// what the units of other CPUs and of GPUs give, up to the order of the sums.
bool has_matmul(at::ScalarType type);

}  // namespace vtr::models
