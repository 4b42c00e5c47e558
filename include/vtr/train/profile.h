// Where the time of some work goes, as LibTorch's own profiler sees it, and how much of the
// machine's rate it reaches.
//
//   Profiler profiler(model.device());
//   step();
//   Profile profile = profiler.stop("profile.json");  // for chrome://tracing and ui.perfetto.dev
//   std::cout << table_of(profile, /*steps=*/1, matmul_ceiling(model.device(), "fp32"));
#pragma once

#include "vtr/core/files.h"

#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vtr::train {

// "aten::addmm", or a kernel's name on a GPU.
struct OperatorTime {
  std::string name;
  int64_t calls = 0;
  double seconds = 0;  // its own, without that of what it calls
  double flops = 0;    // 0 of a GPU's kernels, whose sizes nobody tells
};

// FLOPs are those of matrix products and attention, 2 for a multiplication with its addition, of
// what ran, forward and backward; nothing else is counted.
struct Profile {
  double seconds = 0;  // on the clock
  double flops = 0;
  std::vector<OperatorTime> operators;  // the longest first
};

// Of this thread and those that the way back runs on, from now until `stop`. One at a time.
class Profiler {
 public:
  explicit Profiler(c10::Device device);
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;
  Profile stop(const fs::path& trace = {});  // empty: no trace is written

 private:
  c10::Device device_;
  bool on_ = true;
  std::chrono::steady_clock::time_point start_;
};

// FLOP/s of a large square matrix product in this precision, the best of some.
double matmul_ceiling(c10::Device device, const std::string& precision);

// `vtr train --profile`: some steps of a run, from the third on (the first two make memory), into a
// trace, and their table on stdout.
class StepProfile {
 public:
  static constexpr int64_t kBefore = 2;
  struct Options {
    int64_t steps = 0;  // 0: none
    fs::path trace;
    c10::Device device;
    std::string precision;
  };
  explicit StepProfile(const Options& options) : options_(options) {}
  void before_step();
  void after_step();

 private:
  const Options options_;
  int64_t done_ = 0;
  std::optional<Profiler> profiler_;
};

// What `steps` steps took, operators below a thousandth of it together.
std::string table_of(const Profile& profile, int64_t steps, double ceiling);

}  // namespace vtr::train
