// How a sweep goes, to stderr: on a terminal a table that is drawn anew, elsewhere a line when
// something has changed.
#pragma once

#include "runner.h"
#include "summary.h"

#include <chrono>
#include <string>
#include <vector>

namespace vtr::sweep {

class Board {
 public:
  // `slots`: jobs at once, for the time that is left.
  Board(const fs::path& folder, const std::vector<Job>& jobs, int64_t slots);
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;
  // Job i is that of cell i.
  void show(const std::vector<Job>& jobs, const std::vector<Result>& results);

 private:
  void tell(const std::vector<Job>& jobs, const std::vector<Result>& results);
  void draw(const std::vector<Job>& jobs, const std::vector<Result>& results);
  std::string summary(const std::vector<Job>& jobs) const;

  fs::path folder_;
  std::vector<State> seen_;
  std::vector<int64_t> failures_;
  int64_t slots_;
  size_t found_;  // finished before
  bool terminal_;
  std::chrono::steady_clock::time_point drawn_{};
  void (*outer_)() = nullptr;  // what cleared the line before, given back at the end
};

}  // namespace vtr::sweep
