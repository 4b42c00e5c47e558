// A progress line on a terminal (rate and time left), plain log lines every half minute elsewhere;
// nothing where the log shows no such lines.
//
//   Progress progress("train", total, done); progress.step("loss 3.21");
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vtr::report {

class Progress {
 public:
  // `unit` names what is counted; `done` of `total` were done before this run.
  Progress(std::string title, std::string unit, int64_t total, int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance(int64_t count, const std::string& note = "");

 private:
  std::string line(const std::string& note) const;
  using Clock = std::chrono::steady_clock;
  std::string title_, unit_;
  int64_t total_, first_, done_;
  bool terminal_;
  void (*outer_)() = nullptr;  // what cleared the line before, given back at the end
  Clock::time_point start_, shown_;
};

}  // namespace vtr::report
