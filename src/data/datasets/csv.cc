#include "datasets/csv.h"

#include "vtr/core/error.h"

#include <algorithm>

namespace vtr::data {
namespace {

class Parser {
 public:
  Parser(const fs::path& path, std::string text) : path_(path), text_(std::move(text)) {}
  bool done() const { return at_ >= text_.size(); }

  CsvRow row() {
    CsvRow row{line_, {}};
    do {
      row.fields.push_back(peek() == '"' ? quoted() : plain());
    } while (take(','));
    take('\r');
    if (!done()) VTR_CHECK(take('\n'), "{}:{}: text after a closing quote", path_.string(), line_);
    return row;
  }

 private:
  char peek() const { return done() ? '\n' : text_[at_]; }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    if (c == '\n') ++line_;
    return true;
  }
  std::string plain() {
    const size_t begin = at_;
    while (!done() && peek() != ',' && peek() != '\n') ++at_;
    const bool carriage = at_ > begin && text_[at_ - 1] == '\r' && peek() == '\n';
    return text_.substr(begin, at_ - begin - (carriage ? 1 : 0));
  }
  std::string quoted() {
    const int64_t begin = line_;
    std::string field;
    for (++at_; !done(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (c == '"' && (at_ + 1 >= text_.size() || text_[at_ + 1] != '"')) {
        ++at_;
        return field;
      }
      if (c == '"') ++at_;
      field += c;
    }
    throw Error(
        fmt::format("{}:{}: a quote is opened here and never closed", path_.string(), begin));
  }

  const fs::path& path_;
  std::string text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

int64_t Csv::column(const std::string& name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  return found == header.end() ? -1 : found - header.begin();
}

std::string Csv::where(const CsvRow& row) const {
  return fmt::format("{}:{}", path.string(), row.line);
}

Csv parse_csv(std::string text, const fs::path& path) {
  Parser parser(path, std::move(text));
  VTR_CHECK(!parser.done(), "{}: the file is empty", path.string());
  Csv csv{path, parser.row().fields, {}};
  while (!parser.done()) {
    CsvRow row = parser.row();
    if (row.fields.size() == 1 && row.fields[0].empty()) continue;
    VTR_CHECK(row.fields.size() == csv.header.size(), "{}: {} fields, and the header has {}",
              csv.where(row), row.fields.size(), csv.header.size());
    csv.rows.push_back(std::move(row));
  }
  return csv;
}

}  // namespace vtr::data
