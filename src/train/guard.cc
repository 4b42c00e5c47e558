#include "guard.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <cmath>

namespace vtr::train {
namespace {

constexpr double kSmooth = 0.98;    // of the running mean of the loss: some 50 steps
constexpr int64_t kHighSteps = 50;  // above the bound, in a row

}  // namespace

double Figures::norm() const { return std::hypot(encoder_norm, head_norm); }
bool Figures::finite() const { return std::isfinite(loss) && std::isfinite(norm()); }
bool Figures::overflow() const { return std::isfinite(loss) && !finite() && loss_scale > 1; }

void Guard::check(const Figures& figures) {
  if (figures.overflow()) return;
  check_finite(figures);
  if (figures.finite()) check_mean(figures);
}

void Guard::check_finite(const Figures& figures) {
  state_.skips = figures.finite() ? 0 : state_.skips + 1;
  if (figures.finite()) return;
  const std::string what = fmt::format("step {}: the loss is {}, the norm of its gradient {}",
                                       figures.step, figures.loss, figures.norm());
  VTR_CHECK(options_.non_finite == "skip",
            "{}; its batch is in nonfinite.jsonl, the last checkpoint is kept (a lower train.lr, "
            "train.precision=fp32 or train.non_finite=skip may help)",
            what);
  VTR_CHECK(
      state_.skips <= options_.max_skips,
      "{}, as for {} steps before it (train.max_skips); their batches are in nonfinite.jsonl, "
      "the last checkpoint is kept",
      what, state_.skips - 1);
}

void Guard::check_mean(const Figures& figures) {
  auto& [skips, seen, mean, best, high] = state_;
  mean = seen == 0 ? figures.loss : kSmooth * mean + (1 - kSmooth) * figures.loss;
  best = seen == 0 ? mean : std::min(best, mean);
  ++seen;
  if (options_.divergence == 0) return;
  high = mean > options_.divergence * best ? high + 1 : 0;
  VTR_CHECK(high < kHighSteps,
            "step {}: the loss diverges: its running mean {:.4g} has been above {} times its best, "
            "{:.4g}, for {} steps (train.divergence); the last checkpoint is kept",
            figures.step, mean, options_.divergence, best, high);
}

}  // namespace vtr::train
