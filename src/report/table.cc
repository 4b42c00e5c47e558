#include "vtr/report/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace vtr::report {
namespace {

using Replacements = std::vector<std::pair<std::string_view, std::string_view>>;

// `text` with the first of `replacements` that fits at each place.
std::string replaced(std::string_view text, const Replacements& replacements) {
  std::string result;
  while (!text.empty()) {
    const auto fits = std::find_if(replacements.begin(), replacements.end(),
                                   [&](const auto& r) { return text.starts_with(r.first); });
    const bool found = fits != replacements.end();
    result += found ? fits->second : text.substr(0, 1);
    text.remove_prefix(found ? fits->first.size() : 1);
  }
  return result;
}

bool is_number(const std::string& cell) {
  const std::string plain = replaced(cell, {{" ± ", ""}});
  return !plain.empty() && plain.find_first_not_of("0123456789.,+-") == std::string::npos;
}

size_t width(const std::string& cell) {  // code points
  return static_cast<size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  return "\"" + replaced(cell, {{"\"", "\"\""}}) + "\"";
}

std::string markdown_cell(const std::string& cell) {
  return replaced(cell, {{"|", "\\|"}, {"*", "\\*"}, {"<", "&lt;"}, {"&", "&amp;"}, {"\n", " "}});
}

std::string latex_cell(const std::string& cell) {
  static const Replacements kEscapes = {{"&", "\\&"},
                                        {"%", "\\%"},
                                        {"$", "\\$"},
                                        {"#", "\\#"},
                                        {"_", "\\_"},
                                        {"{", "\\{"},
                                        {"}", "\\}"},
                                        {"~", "\\textasciitilde{}"},
                                        {"^", "\\textasciicircum{}"},
                                        {"\\", "\\textbackslash{}"},
                                        {"<", "\\textless{}"},
                                        {">", "\\textgreater{}"},
                                        {"±", "$\\pm$"}};
  const bool number = is_number(cell) && cell.find_first_of("0123456789") != std::string::npos;
  return number ? "$" + replaced(cell, {{"±", "\\pm"}, {",", "{,}"}}) + "$"
                : replaced(cell, kEscapes);
}

template <class Cell>
std::string joined(const std::vector<std::string>& row, const Cell& cell, const char* separator) {
  std::vector<std::string> cells(row.size());
  std::transform(row.begin(), row.end(), cells.begin(), cell);
  return fmt::format("{}", fmt::join(cells, separator));
}

}  // namespace

bool TextTable::stands_right(size_t column) const {
  for (const auto& row : rows_) {
    if (!row[column].empty()) return is_number(row[column]);
  }
  return false;
}

std::string TextTable::text() const {
  std::vector<size_t> widths(header_.size());
  const auto measure = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  };
  measure(header_);
  for (const auto& row : rows_) measure(row);
  std::string result;
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string gap(widths[i] - width(row[i]), ' ');
      line += (stands_right(i) ? gap + row[i] : row[i] + gap) + "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  append(header_);
  for (const auto& row : rows_) append(row);
  return result;
}

std::string TextTable::csv() const {
  std::string result = joined(header_, csv_cell, ",") + "\r\n";
  for (const auto& row : rows_) result += joined(row, csv_cell, ",") + "\r\n";
  return result;
}

std::string TextTable::markdown() const {
  std::string result = "| " + joined(header_, markdown_cell, " | ") + " |\n|";
  for (size_t i = 0; i < header_.size(); ++i) result += stands_right(i) ? "--:|" : "---|";
  result += "\n";
  for (const auto& row : rows_) result += "| " + joined(row, markdown_cell, " | ") + " |\n";
  return result;
}

std::string TextTable::latex() const {
  std::string columns;
  for (size_t i = 0; i < header_.size(); ++i) columns += stands_right(i) ? 'r' : 'l';
  std::string result = "\\begin{tabular}{" + columns + "}\n\\toprule\n" +
                       joined(header_, latex_cell, " & ") + " \\\\\n\\midrule\n";
  for (const auto& row : rows_) result += joined(row, latex_cell, " & ") + " \\\\\n";
  return result + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace vtr::report
