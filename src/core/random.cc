#include "vtr/core/random.h"

namespace vtr {

uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

uint64_t derive(uint64_t seed, std::string_view stream, uint64_t a, uint64_t b) {
  uint64_t h = mix(seed);
  for (const unsigned char c : stream) h = mix(h ^ c);
  return mix(mix(h ^ a) ^ b);
}

uint64_t Rng::next() {
  const uint64_t value = mix(state_);
  state_ += 0x9E3779B97F4A7C15ULL;
  return value;
}

uint64_t Rng::below(uint64_t n) {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t x = next();
  while (x >= limit) x = next();
  return x % n;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

}  // namespace vtr
