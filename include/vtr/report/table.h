// A table of text, for the terminal, a spreadsheet, a page and a paper. A column whose first value
// is a number ("46.9", "-1.2", "46.9 ± 0.3") stands to the right.
//
//   TextTable t({"direction", "R@1"}); t.add({"t2v", "46.9"}); std::cout << t.text();
#pragma once

#include <string>
#include <vector>

namespace vtr::report {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }  // UTF-8
  const std::vector<std::string>& header() const { return header_; }
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }
  std::string text() const;      // columns aligned
  std::string csv() const;       // RFC 4180
  std::string markdown() const;  // GitHub's tables
  std::string latex() const;     // a tabular with the rules of the package booktabs

 private:
  bool stands_right(size_t column) const;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace vtr::report
