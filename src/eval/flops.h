// What computations cost, counted as they run.
#pragma once

#include <ATen/record_function.h>

#include <cstdint>

namespace vtr::eval {

// Counts the operations of matrix products, convolutions, attention and LSTMs that LibTorch runs on
// this thread while it lives; a multiplication and its addition are two. What is done a value
// (norms, activations, softmax) is not counted, nor are cuDNN's recurrent kernels.
class FlopCounter {
 public:
  FlopCounter();
  ~FlopCounter();
  FlopCounter(const FlopCounter&) = delete;
  FlopCounter& operator=(const FlopCounter&) = delete;
  int64_t count() const { return count_; }

 private:
  static thread_local FlopCounter* current;
  int64_t count_ = 0;
  at::CallbackHandle handle_;
};

}  // namespace vtr::eval
