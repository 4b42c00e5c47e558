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
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool number = !row[i].empty() && row[i].find_first_not_of("0123456789.,-+%x") == std::string::npos;
      const bool right = number || (&row == &header_ && i > 0 && !rows_.empty() && rows_[0].size() > i &&
                                    rows_[0][i].find_first_not_of("0123456789.,-+%x") == std::string::npos);
      line += right ? fmt::format("{:>{}}  ", row[i], width[i]) : fmt::format("{:<{}}  ", row[i], width[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  append(header_);
  for (const auto& row : rows_) append(row);
  return result;
}

}  // namespace vtr::report
