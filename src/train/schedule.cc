#include "vtr/train/options.h"

#include <cmath>
#include <numbers>

namespace vtr::train {

double schedule_factor(const TrainOptions& options, int64_t step, int64_t total) {
  const double warm = std::floor(options.warmup * static_cast<double>(total));
  const double done = static_cast<double>(step);
  if (done < warm) return (done + 1) / warm;
  const double x = (done - warm) / std::max(1.0, static_cast<double>(total) - warm);
  if (options.schedule == "cosine") return 0.5 * (1 + std::cos(std::numbers::pi * x));
  return options.schedule == "linear" ? 1 - x : 1.0;
}

}  // namespace vtr::train
