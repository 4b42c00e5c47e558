// The real program in a process of its own, and a small benchmark for it.
#pragma once

#include "support/temp_dir.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtr::test {

struct Outcome {
  int code = -1;       // exit code, or 128 + the signal that ended it
  std::string output;  // stdout and stderr together
  double seconds = 0;  // of a rank: from the strike, or the start, to its end was seen
};

// Runs `vtr arguments...` to its end. `file_limit` bounds the size of any file it writes, in bytes:
// a full disk for large files only; 0: none.
Outcome run_program(const std::vector<std::string>& arguments, size_t file_limit = 0);

// Starts it, waits until `file` has at least `lines` lines and then `delay`, sends `signal` and
// waits for its end.
Outcome signal_program(const std::vector<std::string>& arguments, const std::filesystem::path& file,
                       size_t lines, int signal, std::chrono::microseconds delay = {});
size_t count_lines(const std::filesystem::path& file);  // 0 of one that is not there

// `ranks` processes at once that meet at a free port of this machine, each with `arguments` and the
// `variables` of its launcher; what became of them, by rank. With `strike` the rank `victim` gets a
// signal when `file` has so many lines.
using Environment = std::vector<std::pair<std::string, std::string>>;
using Launcher = std::function<Environment(int64_t rank, int64_t ranks, int64_t port)>;
Environment by_hand(int64_t rank, int64_t ranks, int64_t port);  // RANK, WORLD_SIZE, ...
Environment by_srun(int64_t rank, int64_t ranks, int64_t port);  // SLURM's
struct Strike {
  int64_t victim;
  int signal;
  std::filesystem::path file;
  size_t lines;
};
std::vector<Outcome> run_ranks(int64_t ranks, const std::vector<std::string>& arguments,
                               const std::optional<Strike>& strike = {},
                               const Launcher& variables = by_hand);

// A configuration of a tiny model in `dir`, over a benchmark of `train` and `test` videos made
// there.
std::string write_tiny_experiment(const TempDir& dir, int train, int test);

// The "loss" of every line of a run's metrics.jsonl, as text: equal text is equal to the bit.
std::vector<std::string> losses_of(const std::filesystem::path& run);

}  // namespace vtr::test
