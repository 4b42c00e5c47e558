// A table of text for the terminal: columns aligned, numbers to the right.
//
//   Table t({"direction", "R@1"}); t.add({"t2v", "46.9"}); std::cout << t.text();
#pragma once

#include <string>
#include <vector>

namespace vtr::report {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace vtr::report
