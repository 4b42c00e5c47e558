// Randomness as a function of names: the same (seed, stream, indices) gives the same numbers on any
// machine and thread count. No clock, no global state.
//
//   Rng rng(derive(seed, "frames", epoch, item));
//   auto i = rng.below(10);
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace vtr {

// One round of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a well-mixed function of x.
uint64_t mix(uint64_t x);

// The seed of a named stream, and of its (a, b)-th member.
uint64_t derive(uint64_t seed, std::string_view stream, uint64_t a = 0, uint64_t b = 0);

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t n);  // uniform in [0, n), n > 0, without modulo bias
  double uniform();            // [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  template <class T>
  void shuffle(std::vector<T>& items) {  // Fisher-Yates
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace vtr
