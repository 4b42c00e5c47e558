#include "vtr/report/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtr::report {

std::string TextTable::text() const {
  std::vector<size_t> width(header_.size());
  const auto measure = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  };
  measure(header_);
  for (const auto& row : rows_) measure(row);
  std::string result;
  // A column whose first value is a number stands to the right, its header too.
  const auto is_number = [&](size_t i) {
    return !rows_.empty() && !rows_[0][i].empty() &&
           rows_[0][i].find_first_not_of("0123456789.-") == std::string::npos;
  };
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += is_number(i) ? fmt::format("{:>{}}  ", row[i], width[i])
                           : fmt::format("{:<{}}  ", row[i], width[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  append(header_);
  for (const auto& row : rows_) append(row);
  return result;
}

}  // namespace vtr::report
