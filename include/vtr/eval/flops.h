// What computations cost, counted as they run.
#pragma once

#include <ATen/record_function.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace vtr::eval {

// Counts the operations of matrix products, convolutions, attention and LSTMs that LibTorch runs
// for this thread while it lives, forward and (but for LSTMs) backward; a multiplication and its
// addition are two. What is done a value (norms, activations, softmax) is not counted, nor are
// cuDNN's recurrent kernels. One at a time.
class FlopCounter {
 public:
  FlopCounter();
  ~FlopCounter();
  FlopCounter(const FlopCounter&) = delete;
  FlopCounter& operator=(const FlopCounter&) = delete;
  int64_t count() const;
  std::map<std::string, int64_t> by_operator() const;  // "aten::addmm"

 private:
  static FlopCounter* current;
  mutable std::mutex mutex_;  // the way back has threads of its own on a GPU
  std::map<std::string, int64_t> counts_;
  at::CallbackHandle handle_;
};

}  // namespace vtr::eval
