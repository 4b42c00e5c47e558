#include "vtr/train/measure.h"

#include "groups.h"
#include "optimizer.h"
#include "step.h"

#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/eval/flops.h"

#include <ATen/record_function.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/types.h>

#include <chrono>
#include <fstream>
#include <malloc.h>
#include <map>
#include <optional>

namespace vtr::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Of this process in bytes, now ("VmRSS:") or at its peak ("VmHWM:") since the last reset.
int64_t resident(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kilobytes = 0;
    if (word == key && status >> kilobytes) return kilobytes << 10;
  }
  throw Error("/proc/self/status: no " + key);
}

// Seconds spent in the named scopes of a step on this thread, while it lives.
class Scopes {
 public:
  Scopes() {
    current = &seconds_;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(
            [](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
              return std::make_unique<Began>();
            },
            [](const at::RecordFunction& scope, at::ObserverContext* began) {
              (*current)[scope.name()] += seconds_since(static_cast<Began*>(began)->at);
            })
            .scopes({at::RecordScope::USER_SCOPE}));
  }
  ~Scopes() { at::removeCallback(handle_); }
  Scopes(const Scopes&) = delete;
  Scopes& operator=(const Scopes&) = delete;
  double operator[](const char* name) { return seconds_[name]; }

 private:
  struct Began : at::ObserverContext {
    Clock::time_point at = Clock::now();
  };
  static thread_local std::map<std::string, double>* current;
  std::map<std::string, double> seconds_;
  at::CallbackHandle handle_;
};

thread_local std::map<std::string, double>* Scopes::current = nullptr;

}  // namespace

void wait(const Tensor& result) { result.sum().item(); }

StepTimes measure_steps(models::Retriever& model, const TrainOptions& options,
                        const std::vector<data::Batch>& batches, int64_t steps) {
  dist::Group alone(dist::World{}, std::chrono::seconds(options.dist_timeout));
  freeze(model, options.freeze);
  Step pass(model, options, alone);
  Optimizer optimizer(model, options);
  model.train();
  StepTimes times;
  for (int64_t i = 0; i < steps; ++i) {
    torch::manual_seed(derive(static_cast<uint64_t>(options.seed), "step", i));
    Scopes scopes;
    std::optional<eval::FlopCounter> count;
    if (i == 0) count.emplace();
    const auto start = Clock::now();
    optimizer.zero_grad();
    const Tensor loss = pass.backward(batches[static_cast<size_t>(i) % batches.size()], 1);
    wait(optimizer.clipped_step(/*factor=*/1, /*unit=*/1).skip);
    const double all = seconds_since(start), update = scopes["update"];
    const double forward = scopes["texts"] + scopes["videos"] + scopes["scores"];
    times.step.push_back(all);
    times.forward.push_back(forward);
    times.update.push_back(update);
    times.backward.push_back(all - forward - update);
    times.losses.push_back(loss.item<double>());
    if (count) times.flops = static_cast<double>(count->count());
  }
  return times;
}

int64_t trained_values(models::Retriever& model, const TrainOptions& options) {
  int64_t values = -freeze(model, options.freeze);
  for (const auto& parameter : model.parameters()) values += parameter.numel();
  return values;
}

int64_t peak_memory(c10::Device device) {
  if (device.is_cpu()) return resident("VmHWM:");
  return c10::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .allocated_bytes[0]
      .peak;  // 0: of all pools together
}

int64_t reset_peak_memory(c10::Device device) {
  if (!device.is_cpu()) {
    auto* allocator = c10::getDeviceAllocator(device.type());
    allocator->emptyCache();
    allocator->resetPeakStats(device.index());
    return allocator->getDeviceStats(device.index()).allocated_bytes[0].current;
  }
  malloc_trim(0);
  std::ofstream reset("/proc/self/clear_refs");
  VTR_CHECK(reset << "5" << std::flush, "/proc/self/clear_refs: the peak cannot be measured");
  return resident("VmRSS:");
}

}  // namespace vtr::train
