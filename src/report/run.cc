#include "vtr/report/run.h"

#include "vtr/core/error.h"

#include <nlohmann/json.hpp>

#include <limits>
#include <sstream>

namespace vtr::report {
namespace {

nlohmann::ordered_json to_object(const Record& record) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : record) {
    std::visit([&](const auto& v) { object[name] = v; }, value);
  }
  return object;
}

// A file's name may hold any bytes: what is not UTF-8 becomes a mark instead of an exception.
std::string dumped(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Value to_value(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  return std::numeric_limits<double>::quiet_NaN();
}

// The whole lines up to `last_step`; a torn last line of a killed run goes too.
std::string kept_lines(const std::string& text, int64_t last_step) {
  std::istringstream in(text);
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_object() && object.value("step", int64_t{0}) <= last_step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

std::string to_json(const Record& record) { return dumped(to_object(record), -1); }

std::string to_json(const std::vector<Record>& records) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& record : records) list.push_back(to_object(record));
  return dumped(list, 2) + "\n";
}

std::vector<Record> read_records(const fs::path& path) {
  std::vector<Record> records;
  if (!fs::exists(path)) return records;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) {
    const auto object = nlohmann::ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool torn = !object.is_object() && in.peek() == EOF;
    VTR_CHECK(object.is_object() || torn, "{}, line {}: not a JSON object", path.string(),
              records.size() + 1);
    if (torn) break;
    auto& record = records.emplace_back();
    for (const auto& [name, value] : object.items()) record.emplace_back(name, to_value(value));
  }
  return records;
}

MetricsLog::MetricsLog(const fs::path& path, int64_t last_step) : path_(path) {
  if (fs::exists(path)) write_file(path, kept_lines(read_file(path), last_step));
  out_.open(path, std::ios::app);
  VTR_CHECK(out_, "{}: cannot be written", path.string());
}

void MetricsLog::add(const Record& record) {
  out_ << to_json(record) << std::endl;  // flushed: a killed run keeps what it had reached
  VTR_CHECK(out_, "{}: cannot be written (disk full?)", path_.string());
}

}  // namespace vtr::report
