#include "board.h"

#include "vtr/core/log.h"
#include "vtr/report/table.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <sys/ioctl.h>
#include <unistd.h>

namespace vtr::sweep {
namespace {

using Clock = std::chrono::steady_clock;

int64_t drawn_lines = 0;  // of the table on the terminal

void erase() {
  if (drawn_lines > 0) std::fprintf(stderr, "\033[%ldA\r\033[J", static_cast<long>(drawn_lines));
  drawn_lines = 0;
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// The step of the last whole line of a run's metrics.jsonl, 0 before there is one.
int64_t last_step(const fs::path& run) {
  std::ifstream in(run / "metrics.jsonl", std::ios::binary | std::ios::ate);
  if (!in) return 0;
  constexpr std::streamoff kTail = 4096;
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTail));
  int64_t step = 0;
  for (std::string line; std::getline(in, line);) {
    const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_object()) step = object.value("step", step);
  }
  return step;
}

// "R@1 54.2" of the first split, text to video.
std::string headline(const Result& result) {
  if (result.figures.empty()) return "";
  const auto& first = result.figures.front();
  return fmt::format("R@1 {:.1f}", first.values.at("R@1"));
}

std::string state_of(const fs::path& folder, const Job& job, const Result& result) {
  if (job.state == State::finished) return headline(result);
  if (job.state == State::failed) return "failed";
  if (job.state == State::waiting) return job.failures > 0 ? "again" : ".";
  const int64_t step = last_step(folder / result.cell.name());
  return step > 0 ? fmt::format("step {}", step) : "starts";
}

int64_t terminal_rows() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

}  // namespace

Board::Board(const fs::path& folder, const std::vector<Job>& jobs, int64_t slots)
    : folder_(folder), slots_(slots), found_(0), terminal_(::isatty(STDERR_FILENO) == 1) {
  for (const auto& job : jobs) {
    seen_.push_back(job.state);
    failures_.push_back(job.failures);
    if (job.state == State::finished) ++found_;
  }
  log::info("[sweep] {}: {} cells, {} of them finished, {} at once", folder.string(), jobs.size(),
            found_, slots);
  if (terminal_) outer_ = log::set_before_line(erase);
}

Board::~Board() {
  if (!terminal_) return;
  erase();
  log::set_before_line(outer_);
}

// "12 of 42 cells, 0:22:10 left"; the time from how long the others took.
std::string Board::summary(const std::vector<Job>& jobs) const {
  size_t ended = 0, timed = 0;
  double seconds = 0, left = 0;
  for (const auto& job : jobs) {
    if (job.state == State::finished || job.state == State::failed) ++ended;
    if (job.state == State::waiting) left += 1;
    if (job.state == State::running) left += 0.5;  // on average half of it is done
    if (job.state != State::finished || job.seconds == 0) continue;
    ++timed;
    seconds += job.seconds;
  }
  std::string text = fmt::format("{} of {} cells", ended, jobs.size());
  if (timed == 0) return text;
  const double mean = seconds / static_cast<double>(timed);
  return text + fmt::format(", {} left", duration(mean * left / static_cast<double>(slots_)));
}

void Board::show(const std::vector<Job>& jobs, const std::vector<Result>& results) {
  tell(jobs, results);
  if (terminal_ && Clock::now() - drawn_ > std::chrono::milliseconds(500)) draw(jobs, results);
}

void Board::tell(const std::vector<Job>& jobs, const std::vector<Result>& results) {
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Job& job = jobs[i];
    if (job.failures > failures_[i]) {
      log::warn("[sweep] {} failed: {} ({}){}", job.name, job.error, job.log.string(),
                job.state == State::failed ? "" : "; it is tried again");
    } else if (job.state != seen_[i] && job.state == State::finished) {
      log::info("[sweep] {}: {}, {:.0f} s; {}", job.name, headline(results[i]), job.seconds,
                summary(jobs));
    }
    failures_[i] = job.failures;
    seen_[i] = job.state;
  }
}

// A row a variant, a column a seed; where the terminal is too low, the rows at work.
void Board::draw(const std::vector<Job>& jobs, const std::vector<Result>& results) {
  std::set<std::string> variants;
  std::set<int64_t> seeds;
  for (const auto& result : results) {
    variants.insert(result.cell.variant);
    seeds.insert(result.cell.seed);
  }
  std::vector<std::string> header = {"cell"};
  for (const int64_t seed : seeds) header.push_back(fmt::format("seed {}", seed));
  const auto room = static_cast<size_t>(std::max<int64_t>(1, terminal_rows() - 4));
  report::TextTable table(header);
  for (size_t i = 0; i < jobs.size();) {
    std::vector<std::string> row(header.size());
    row.front() = results[i].cell.variant;
    bool works = false;
    for (; i < jobs.size() && results[i].cell.variant == row.front(); ++i) {
      works = works || jobs[i].state == State::running;
      const auto column = std::distance(seeds.begin(), seeds.find(results[i].cell.seed));
      row[1 + static_cast<size_t>(column)] = state_of(folder_, jobs[i], results[i]);
    }
    if (works || variants.size() <= room) table.add(std::move(row));
  }
  const std::string text = table.text() + summary(jobs) + "\n";
  erase();
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
  drawn_lines = std::count(text.begin(), text.end(), '\n');
  drawn_ = Clock::now();
}

}  // namespace vtr::sweep
