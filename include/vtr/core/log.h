// Human-readable lines, to stderr and (once a run is open) to its log.txt. Results go to stdout,
// machine-readable lines to metrics.jsonl.
//
//   log::info("[data] {} videos", n);
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>

namespace vtr::log {

enum class Level { debug, info, warning, error };

void write(Level level, const std::string& line);
void set_level(const std::string& name);           // debug, info, warning, error; else throws
bool shows(Level level);                           // lines of this level are written
void add_file(const std::filesystem::path& path);  // further lines are appended there too
void write_to_files(const std::string& line);      // there alone
using Hook = void (*)();
Hook set_before_line(Hook hook);  // called before a line reaches the terminal

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace vtr::log
