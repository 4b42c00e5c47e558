// A rank's part of some items, the parts in the order of the ranks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vtr::data {

// [begin, end). It begins at a multiple of `step` where there are enough items, so that they come
// together in batches of `step` as they do for one process alone.
struct Share {
  Share(int64_t items, int64_t step, int64_t rank, int64_t world) {
    if (items < step * world) step = 1;
    const int64_t steps = (items + step - 1) / step;
    const auto at = [&](int64_t r) { return std::min(items, steps * r / world * step); };
    begin = at(rank);
    end = at(rank + 1);
  }
  int64_t size() const { return end - begin; }
  int64_t begin, end;
};

}  // namespace vtr::data
