// Comma-separated values as RFC 4180 has them: quoted fields may hold commas, quotes and newlines.
#pragma once

#include "vtr/core/files.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vtr::data {

struct CsvRow {
  int64_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

struct Csv {
  fs::path path;
  std::vector<std::string> header;
  std::vector<CsvRow> rows;
  int64_t column(const std::string& name) const;  // -1 when there is none
  std::string where(const CsvRow& row) const;     // "FILE:LINE", for errors
};

// Throws Error with the line of an unclosed quote or of a row with more or fewer fields than the
// header. Blank lines are passed over.
Csv parse_csv(std::string text, const fs::path& path);

}  // namespace vtr::data
