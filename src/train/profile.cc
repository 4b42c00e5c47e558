#include "vtr/train/profile.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/matmul.h"
#include "vtr/report/table.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <kineto/ActivityType.h>
#include <map>
#include <tuple>

namespace vtr::train {
namespace {

namespace kineto = torch::autograd::profiler;
namespace impl = torch::profiler::impl;
using Clock = std::chrono::steady_clock;

// A named part of a step, drawn around its kernels.
constexpr auto kSpanOnGpu = static_cast<uint8_t>(libkineto::ActivityType::GPU_USER_ANNOTATION);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void synchronize(c10::Device device) {
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

// A thread of the CPU, or a stream of a GPU, on which events follow or enclose each other.
using Lane = std::tuple<c10::DeviceType, int, int64_t>;

Lane lane_of(const kineto::KinetoEvent& event) {
  const bool cpu = event.deviceType() == c10::kCPU;
  return {event.deviceType(), event.deviceIndex(),
          cpu ? static_cast<int64_t>(event.startThreadId()) : event.deviceResourceId()};
}

// Own time: an event's, less that of those directly inside.
std::vector<OperatorTime> own_times(std::vector<const kineto::KinetoEvent*> events,
                                    const std::map<std::string, int64_t>& flops) {
  std::ranges::sort(events, {}, [](const auto* e) {
    return std::tuple(lane_of(*e), e->startNs(), -static_cast<int64_t>(e->durationNs()));
  });
  std::map<std::string, OperatorTime> times;
  std::vector<const kineto::KinetoEvent*> open;
  for (const auto* event : events) {
    while (!open.empty() &&
           (lane_of(*open.back()) != lane_of(*event) || open.back()->endNs() <= event->startNs())) {
      open.pop_back();
    }
    const double seconds = 1e-9 * static_cast<double>(event->durationNs());
    if (!open.empty()) times[open.back()->name()].seconds -= seconds;
    auto& time = times[event->name()];
    time.seconds += seconds;
    ++time.calls;
    open.push_back(event);
  }
  std::vector<OperatorTime> result;
  for (auto& [name, time] : times) {
    result.push_back(std::move(time));
    result.back().name = name;
    const auto found = flops.find(name);
    result.back().flops = found == flops.end() ? 0 : static_cast<double>(found->second);
  }
  std::ranges::sort(result, std::greater(), &OperatorTime::seconds);
  return result;
}

}  // namespace

Profiler::Profiler(c10::Device device) : device_(device) {
  setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);  // it calls a machine without a GPU an error
  std::set<impl::ActivityType> activities = {impl::ActivityType::CPU};
  if (device.is_cuda()) activities.insert(impl::ActivityType::CUDA);
  const impl::ProfilerConfig config(impl::ProfilerState::KINETO);
  kineto::prepareProfiler(config, activities);
  kineto::enableProfiler(config, activities);
  start_ = Clock::now();
}

Profiler::~Profiler() {
  if (on_) kineto::disableProfiler();
}

Profile Profiler::stop(const fs::path& trace) {
  synchronize(device_);
  const double seconds = seconds_since(start_);
  on_ = false;
  const auto result = kineto::disableProfiler();
  if (!trace.empty()) result->save(trace.string());
  Profile profile;
  profile.seconds = seconds;
  std::vector<const kineto::KinetoEvent*> events;
  for (const auto& event : result->events()) {
    if (event.deviceType() == device_.type() && event.activityType() != kSpanOnGpu)
      events.push_back(&event);
  }
  profile.flops = static_cast<double>(flops_.count());
  profile.operators = own_times(std::move(events), flops_.by_operator());
  return profile;
}

double matmul_ceiling(c10::Device device, const std::string& precision) {
  const torch::NoGradGuard no_grad;
  const int64_t n = device.is_cpu() ? 2048 : 4096, times = device.is_cpu() ? 1 : 10;
  const auto a = torch::arange(n * n, torch::kFloat)
                     .sin()
                     .view({n, n})
                     .to(device, models::scalar_type_of(precision));
  constexpr double kSeconds = 0.5;  // in all, after one to warm up
  double best = 0;
  const auto begin = Clock::now();
  for (int64_t i = 0; i < 2 || seconds_since(begin) < kSeconds; ++i) {
    synchronize(device);
    const auto start = Clock::now();
    for (int64_t k = 0; k < times; ++k) a.matmul(a);
    synchronize(device);
    const double flops = static_cast<double>(times) * 2 * std::pow(static_cast<double>(n), 3);
    best = std::max(best, flops / seconds_since(start));
  }
  return best;
}

void StepProfile::before_step() {
  if (options_.steps > 0 && done_ == kBefore) profiler_.emplace(options_.device);
}

void StepProfile::after_step() {
  ++done_;
  if (!profiler_ || done_ != kBefore + options_.steps) return;
  const Profile profile = profiler_->stop(options_.trace);
  profiler_.reset();
  const double ceiling = matmul_ceiling(options_.device, options_.precision);
  std::cout << table_of(profile, options_.steps, ceiling) << std::flush;
  log::info("[train] profile of {} steps: {}", options_.steps, options_.trace.string());
}

std::string table_of(const Profile& profile, int64_t steps, double ceiling) {
  const auto per_step = [&](double seconds) { return 1e3 * seconds / static_cast<double>(steps); };
  const auto giga = [](double flops, double seconds) {
    return flops > 0 ? fmt::format("{:.0f}", 1e-9 * flops / seconds) : std::string();
  };
  report::TextTable table({"operator", "calls", "ms a step", "share", "GFLOP/s"});
  const auto row = [&](const OperatorTime& time) {
    table.add({time.name, std::to_string(time.calls), fmt::format("{:.2f}", per_step(time.seconds)),
               fmt::format("{:.1f} %", 100 * time.seconds / profile.seconds),
               giga(time.flops, time.seconds)});
  };
  OperatorTime small{"(below a thousandth)", 0, 0, 0},
      idle{"(between operators)", 0, profile.seconds, 0};
  for (const auto& time : profile.operators) {
    idle.seconds -= time.seconds;
    if (time.seconds >= 1e-3 * profile.seconds) {
      row(time);
    } else {
      small.calls += time.calls;
      small.seconds += time.seconds;
    }
  }
  row(small);
  row(idle);
  return table.text() + fmt::format(
                            "a step: {:.1f} ms, {:.1f} GFLOP in matrix products and attention: {} "
                            "GFLOP/s, {:.0f} % of "
                            "the {:.0f} of a large matrix product\n",
                            per_step(profile.seconds),
                            1e-9 * profile.flops / static_cast<double>(steps),
                            giga(profile.flops, profile.seconds),
                            100 * profile.flops / profile.seconds / ceiling, 1e-9 * ceiling);
}

}  // namespace vtr::train
