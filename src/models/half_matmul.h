// Products of bfloat16 and float16 factors on CPUs for which oneDNN has none.
#pragma once

namespace vtr::models {

// LibTorch multiplies those in a plain loop there, a hundred times slower than float32. From the
// first call on, in the whole process, mm, addmm, bmm and baddbmm of such factors are float32
// products of them, by blocks of bounded memory, rounded once: what the units that other CPUs and
// GPUs have for them give, up to the order of the sums. Nothing happens where oneDNN multiplies
// them (bfloat16 with AVX-512, float16 with AVX512-FP16) and on other CPUs than x86.
void speed_up_half_matmul();

}  // namespace vtr::models
