#include "vtr/train/profile.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/report/table.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <tuple>

namespace vtr::train {
namespace {

namespace kineto = torch::autograd::profiler;
namespace impl = torch::profiler::impl;
using Clock = std::chrono::steady_clock;
using Shapes = c10::ArrayRef<std::vector<int64_t>>;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void synchronize(c10::Device device) {
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

double product(const std::vector<int64_t>& sizes) {
  double n = 1;
  for (const int64_t size : sizes) n *= static_cast<double>(size);
  return n;
}

// From the shapes of an operator's inputs; 0 of what is neither a product nor attention.
double flops_of(const std::string& name, Shapes shapes) {
  // The first factor's place among the inputs: [.., m, k], then [.., k, n].
  static const std::map<std::string, size_t> products = {
      {"aten::mm", 0}, {"aten::bmm", 0}, {"aten::addmm", 1}, {"aten::baddbmm", 1}};
  // q's place, then k [N, H, Lk, d], and the products of q's size with Lk: two, and on the way
  // back five, the scores being formed again.
  struct Attention {
    size_t q;
    double products;
  };
  static const std::map<std::string, Attention> attentions = {
      {"aten::_scaled_dot_product_flash_attention_for_cpu", {0, 2}},
      {"aten::_scaled_dot_product_flash_attention_for_cpu_backward", {1, 5}},
      {"aten::_scaled_dot_product_flash_attention", {0, 2}},
      {"aten::_scaled_dot_product_flash_attention_backward", {1, 5}},
      {"aten::_scaled_dot_product_efficient_attention", {0, 2}},
      {"aten::_scaled_dot_product_efficient_attention_backward", {1, 5}},
      {"aten::_scaled_dot_product_cudnn_attention", {0, 2}},
      {"aten::_scaled_dot_product_cudnn_attention_backward", {1, 5}}};
  if (const auto found = products.find(name); found != products.end()) {
    return 2 * product(shapes[found->second]) *
           static_cast<double>(shapes[found->second + 1].back());
  }
  if (const auto found = attentions.find(name); found != attentions.end()) {
    const auto [q, count] = found->second;
    return 2 * count * product(shapes[q]) * static_cast<double>(shapes[q + 1][2]);
  }
  return 0;
}

// A thread of the CPU, or a stream of a GPU, on which events follow or enclose each other.
using Lane = std::tuple<c10::DeviceType, int, int64_t>;

Lane lane_of(const kineto::KinetoEvent& event) {
  const bool cpu = event.deviceType() == c10::kCPU;
  return {event.deviceType(), event.deviceIndex(),
          cpu ? static_cast<int64_t>(event.startThreadId()) : event.deviceResourceId()};
}

// Own time: an event's, less that of those directly inside.
std::vector<OperatorTime> own_times(std::vector<const kineto::KinetoEvent*> events) {
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
    time.flops += flops_of(event->name(), event->shapes());
    ++time.calls;
    open.push_back(event);
  }
  std::vector<OperatorTime> result;
  for (auto& [name, time] : times) {
    result.push_back(std::move(time));
    result.back().name = name;
  }
  std::ranges::sort(result, std::greater(), &OperatorTime::seconds);
  return result;
}

}  // namespace

Profiler::Profiler(c10::Device device) : device_(device) {
  std::set<impl::ActivityType> activities = {impl::ActivityType::CPU};
  if (device.is_cuda()) activities.insert(impl::ActivityType::CUDA);
  const impl::ProfilerConfig config(impl::ProfilerState::KINETO, /*report_input_shapes=*/true);
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
    profile.flops += flops_of(event.name(), event.shapes());
    if (event.deviceType() == device_.type()) events.push_back(&event);
  }
  profile.operators = own_times(std::move(events));
  return profile;
}

double matmul_ceiling(c10::Device device, const std::string& precision) {
  const torch::NoGradGuard no_grad;
  const int64_t n = device.is_cpu() ? 2048 : 4096, times = device.is_cpu() ? 1 : 10;
  const auto type = precision == "fp32"   ? torch::kFloat
                    : precision == "bf16" ? torch::kBFloat16
                                          : torch::kHalf;
  const auto a = torch::arange(n * n, torch::kFloat).sin().view({n, n}).to(device, type);
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
  return table.text() +
         fmt::format(
             "a step: {:.1f} ms, {:.1f} GFLOP in products and attention: {} GFLOP/s, {:.0f} % of "
             "the {:.0f} of a large matrix product\n",
             per_step(profile.seconds), 1e-9 * profile.flops / static_cast<double>(steps),
             giga(profile.flops, profile.seconds), 100 * profile.flops / profile.seconds / ceiling,
             1e-9 * ceiling);
}

}  // namespace vtr::train
