#include "vtr/train/measure.h"

#include "groups.h"
#include "optimizer.h"
#include "step.h"

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
#include <sys/resource.h>
#include <unistd.h>

namespace vtr::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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
    const Tensor loss = pass.backward(batches[static_cast<size_t>(i) % batches.size()]);
    wait(optimizer.clipped_step(/*factor=*/1).skip);
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
  freeze(model, options.freeze);
  int64_t values = 0;
  for (const auto& item : trained(model, options)) values += item.value.numel();
  return values;
}

int64_t peak_memory(c10::Device device) {
  if (device.is_cpu()) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return int64_t{1024} * usage.ru_maxrss;
  }
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
  std::ofstream("/proc/self/clear_refs") << "5";
  int64_t all = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace vtr::train
