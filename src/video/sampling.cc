#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/video/frames.h"

#include <algorithm>

namespace vtr::video {

// With T = request.frames <= n, frame i of T is
//   uniform       floor((2i + 1) n / 2T): the middle of [i n / T, (i + 1) n / T)
//   uniform_ends  floor(i (n - 1) / (T - 1)): numpy's linspace(0, n - 1, T, dtype=int); 0 for T = 1
//   random        any of [floor(i n / T), floor((i + 1) n / T)), which holds a frame as T <= n
std::vector<int64_t> sample_indices(int64_t n, const Request& request) {
  VTR_ASSERT(n >= 1 && request.frames >= 1);
  const int64_t wanted = std::min(n, request.frames);
  std::vector<int64_t> indices(static_cast<size_t>(wanted));
  Rng rng(request.seed);
  for (int64_t i = 0; i < wanted; ++i) {
    int64_t& index = indices[static_cast<size_t>(i)];
    if (request.sampling == "uniform") {
      index = (2 * i + 1) * n / (2 * wanted);
    } else if (request.sampling == "uniform_ends") {
      index = wanted == 1 ? 0 : i * (n - 1) / (wanted - 1);
    } else if (request.sampling == "random") {
      const int64_t begin = i * n / wanted;
      const int64_t end = (i + 1) * n / wanted;
      index = begin + static_cast<int64_t>(rng.below(static_cast<uint64_t>(end - begin)));
    } else {
      throw Error(fmt::format("unknown sampling rule '{}' (known: {})", request.sampling,
                              fmt::join(sampling_rules().values, ", ")));
    }
  }
  return indices;
}

}  // namespace vtr::video
