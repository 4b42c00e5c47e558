// A run: a folder with config.yaml (resolved), env.json, log.txt, metrics.jsonl and checkpoints/.
#pragma once

#include "vtr/core/files.h"

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vtr::report {

// A flat record: one JSON object, its keys in the order given. Doubles keep every bit.
using Value = std::variant<int64_t, double, std::string>;
using Record = std::vector<std::pair<std::string, Value>>;
std::string to_json(const Record& record);                // one line
std::string to_json(const std::vector<Record>& records);  // a list of objects
// The lines of a file of such objects; none where there is no file. What is neither a number nor a
// text is NaN, as a number that was not finite. Throws Error naming the line that is no object, but
// the last may be torn.
std::vector<Record> read_records(const fs::path& path);

// metrics.jsonl: one object a line, on the disk's side of the process when `add` returns.
class MetricsLog {
 public:
  // Goes on after `last_step`: lines of later steps, of a run that was killed, are taken out.
  MetricsLog(const fs::path& path, int64_t last_step);
  void add(const Record& record);

 private:
  fs::path path_;
  std::ofstream out_;
};

}  // namespace vtr::report
