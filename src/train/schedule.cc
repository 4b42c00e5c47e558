#include "vtr/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vtr::train {
namespace {

double half_cosine(double x) { return 0.5 * (1 + std::cos(std::numbers::pi * x)); }

struct WarmUp {
  double warmup = 0.1;
  double start = 0;
  void fields(auto& f) {
    using config::between;
    f("warmup", warmup, "part of all steps over which the rate rises linearly", between(0, 1));
    f("start", start, "factor of the first step; 0: as high as each step of the rise",
      between(0, 1));
  }
};

// A rise over the warm-up's steps, 1 at the last of them; then `rest` of the steps since and of
// those there are.
template <class Rest>
Schedule warmed(const WarmUp& options, const RunLength& run, Rest rest) {
  const auto all = static_cast<double>(run.steps);
  const double warm = std::floor(options.warmup * all);
  const double first = std::max(options.start, 1 / std::max(1.0, warm));
  return [=](int64_t step) {
    const auto done = static_cast<double>(step);
    if (done < warm) return first + (1 - first) * done / std::max(1.0, warm - 1);
    return rest(done - warm, std::max(1.0, all - warm));
  };
}

struct Cosine : WarmUp {
  double t_max = 0;
  void fields(auto& f) {
    WarmUp::fields(f);
    f("t_max", t_max, "epochs of the descent, after which it rises again; 0: all that are left",
      config::at_least(0));
  }
};

Schedule cosine(const Cosine& options, const RunLength& run) {
  const double descent = options.t_max * static_cast<double>(run.epoch);
  return warmed(options, run, [descent](double done, double left) {
    return half_cosine(done / (descent > 0 ? descent : left));
  });
}

Schedule linear(const WarmUp& options, const RunLength& run) {
  return warmed(options, run, [](double done, double left) { return 1 - done / left; });
}

Schedule constant(const WarmUp& options, const RunLength& run) {
  return warmed(options, run, [](double, double) { return 1.0; });
}

struct FromZero {
  double warmup = 0.1;
  void fields(auto& f) {
    f("warmup", warmup, "part of all steps over which the rate rises linearly from 0",
      config::between(0, 1));
  }
};

// The cosine is that of the whole run, so that the rate drops where the warm-up ends.
Schedule clip4clip(const FromZero& options, const RunLength& run) {
  return [=](int64_t step) {
    const double x = static_cast<double>(step) / static_cast<double>(run.steps);
    return x < options.warmup ? x / options.warmup : half_cosine(x);
  };
}

struct Exponential {
  double gamma = 0.95;
  int64_t every = 0;
  void fields(auto& f) {
    f("gamma", gamma, "factor from one stretch to the next", config::between(0, 1));
    f("every", every, "steps of a stretch; 0: an epoch", config::at_least(0));
  }
};

Schedule exponential(const Exponential& options, const RunLength& run) {
  const int64_t every = options.every > 0 ? options.every : std::max<int64_t>(1, run.epoch);
  return [gamma = options.gamma, every](int64_t step) {
    return std::pow(gamma, static_cast<double>(step / every));
  };
}

template <class Options>
ScheduleEntry entry(std::string name, std::string summary,
                    Schedule (*make)(const Options&, const RunLength&)) {
  return {std::move(name), std::move(summary), config::schema<Options>(),
          [make](const config::Node& node, const RunLength& run) {
            return make(config::read<Options>(node, "train.schedule"), run);
          }};
}

}  // namespace

const Table<ScheduleEntry>& schedules() {
  static const Table<ScheduleEntry> table(
      "schedule",
      {entry("cosine", "warm-up, then half a cosine from there to 0", cosine),
       entry("linear", "warm-up, then straight to 0", linear),
       entry("constant", "warm-up, then the peak rate", constant),
       entry("clip4clip", "warm-up, then half a cosine counted from the run's start", clip4clip),
       entry("exponential", "a factor every epoch (MMT)", exponential)});
  return table;
}

Schedule make_schedule(const config::Choice& choice, const RunLength& run) {
  return schedules().find(choice.name).make(choice.options, run);
}

}  // namespace vtr::train
