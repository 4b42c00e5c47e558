// This program, run many times: jobs of several commands, some jobs at once, each in a process of
// its own that ends with this one.
//
//   Runner runner(jobs, {.slots = 2, .retries = 1});
//   if (const int signal = runner.run([&] { show(runner.jobs()); })) return 128 + signal;
#pragma once

#include "vtr/core/files.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vtr::sweep {

enum class State { waiting, running, finished, failed };

struct Job {
  std::string name;
  std::vector<std::vector<std::string>> commands;  // arguments; each after the one before
  fs::path log = {};                               // what they say, appended
  State state = State::waiting;
  int64_t failures = 0;
  double seconds = 0;      // of the tries that ended
  std::string error = {};  // of a failed one: what its log says last
};

struct RunnerOptions {
  int64_t slots = 1, retries = 0;
  // A slot's CUDA_VISIBLE_DEVICES: the first slot has the first, and so on, round; empty: as here.
  std::vector<std::string> devices = {};
  int64_t threads = 0;  // of each, where OMP_NUM_THREADS does not say; 0: as here
};

// Jobs start in their order; one that failed is tried again behind the others.
class Runner {
 public:
  Runner(std::vector<Job> jobs, RunnerOptions options);
  // Until all have finished or failed: 0. On SIGINT or SIGTERM the processes are asked to save and
  // stop, a second time killed, and the signal is returned. `look` is called when a job changes
  // its state, and ten times a second.
  int run(const std::function<void()>& look);
  const std::vector<Job>& jobs() const { return jobs_; }

 private:
  struct Slot {
    size_t job = 0, command = 0;
    pid_t process = 0;  // 0: free
    std::chrono::steady_clock::time_point start = {};
  };
  void fill();
  void collect();
  void start_command(Slot& slot);
  void end(Slot& slot, int status);
  void end_job(Slot& slot, State state);
  bool busy() const;

  std::vector<Job> jobs_;
  RunnerOptions options_;
  std::vector<Slot> slots_;
  std::vector<size_t> queue_;
};

// What the last command in a job's log said of its error, else the log's last line.
std::string last_words(const fs::path& log);

}  // namespace vtr::sweep
