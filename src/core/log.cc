#include "vtr/core/log.h"

#include "vtr/core/error.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <utility>

namespace vtr::log {
namespace {

Hook before_line = nullptr;

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("vtr", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made.set_pattern("%H:%M:%S %^%v%$");
    return made;
  }();
  return instance;
}

spdlog::level::level_enum of_spdlog(Level level) {
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                          spdlog::level::warn, spdlog::level::err};
  return kLevels[static_cast<int>(level)];
}

}  // namespace

bool shows(Level level) { return logger().should_log(of_spdlog(level)); }

void write(Level level, const std::string& line) {
  if (!shows(level)) return;
  if (before_line) before_line();
  logger().log(of_spdlog(level), "{}{}", level >= Level::warning ? "warning: " : "", line);
  logger().flush();
}

void set_level(const std::string& name) {
  const auto level = spdlog::level::from_str(name);
  VTR_CHECK(level != spdlog::level::off || name == "off",
            "log level '{}' is not one of debug, info, warning, error, off", name);
  logger().set_level(level);
}

void add_file(const std::filesystem::path& path) {
  auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
  sink->set_pattern("%Y-%m-%d %H:%M:%S %v");
  logger().sinks().push_back(std::move(sink));
}

void write_to_files(const std::string& line) {
  const spdlog::details::log_msg message("vtr", spdlog::level::err, line);
  const auto& sinks = logger().sinks();
  for (size_t i = 1; i < sinks.size(); ++i) {  // behind the terminal's
    sinks[i]->log(message);
    sinks[i]->flush();
  }
}

Hook set_before_line(Hook hook) { return std::exchange(before_line, hook); }

}  // namespace vtr::log
