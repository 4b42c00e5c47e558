#include "vtr/report/progress.h"

#include "vtr/core/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace vtr::report {
namespace {

constexpr const char* kEraseLine = "\r\033[K";

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds);
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

Progress::Progress(std::string title, std::string unit, int64_t total, int64_t done)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      first_(done),
      done_(done),
      terminal_(::isatty(STDERR_FILENO) == 1 && log::shows(log::Level::info)),
      start_(Clock::now()),
      shown_(start_) {
  if (terminal_) outer_ = log::set_before_line([] { std::fputs(kEraseLine, stderr); });
}

Progress::~Progress() {
  if (!terminal_) return;
  std::fputs(kEraseLine, stderr);
  log::set_before_line(outer_);
}

std::string Progress::line(const std::string& note) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = static_cast<double>(done_ - first_) / std::max(seconds, 1e-9);
  std::string text =
      fmt::format("{} {}/{} {}  {:.3g}/s  {} left", title_, done_, total_, unit_, rate,
                  duration(static_cast<double>(total_ - done_) / std::max(rate, 1e-9)));
  return note.empty() ? text : text + "  " + note;
}

void Progress::advance(int64_t count, const std::string& note) {
  done_ += count;
  const auto now = Clock::now();
  const std::chrono::duration<double> since = now - shown_;
  if (since.count() < (terminal_ ? 0.1 : 30.0)) return;
  shown_ = now;
  if (!terminal_) {
    log::info("{}", line(note));
    return;
  }
  constexpr int kBar = 24;
  const int filled = static_cast<int>(kBar * done_ / std::max<int64_t>(1, total_));
  std::fprintf(stderr, "%s[%s%s] %s", kEraseLine, std::string(filled, '#').c_str(),
               std::string(kBar - filled, '.').c_str(), line(note).c_str());
  std::fflush(stderr);
}

}  // namespace vtr::report
