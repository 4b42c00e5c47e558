// Threads for loops of our own: ATen's parallel_for is serial where a file is compiled without
// OpenMP, and a second OpenMP beside LibTorch's would have a pool of its own.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace vtr::models::factored {

// f(begin, end) over [0, n) in as many parts as LibTorch has threads; f must not throw.
template <class F>
void in_parallel(int64_t n, F f) {
  const int64_t parts = std::clamp<int64_t>(at::get_num_threads(), 1, std::max<int64_t>(1, n));
  std::vector<std::jthread> threads;
  for (int64_t i = 1; i < parts; ++i) threads.emplace_back(f, n * i / parts, n * (i + 1) / parts);
  f(0, n / parts);
}

}  // namespace vtr::models::factored
