// The fixtures of tests/fixtures/text, and tokenizers for the tests.
#pragma once

#include "vtr/core/error.h"
#include "vtr/text/tokenizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <sstream>
#include <string>
#include <vector>
#include <zlib.h>

namespace vtr::text {

using Ids = std::vector<int64_t>;
using Json = nlohmann::json;

inline std::string read_gz(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string result, block(1 << 16, '\0');
  for (int n = 0; (n = gzread(file, block.data(), 1 << 16)) > 0;) result.append(block, 0, n);
  gzclose(file);
  return result;
}

// A row a line of tests/fixtures/text/<name>.
inline std::vector<Json> fixture(const std::string& name) {
  std::istringstream lines(read_gz(std::string(VTR_FIXTURES) + "/text/" + name));
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  return rows;
}

inline std::unique_ptr<Tokenizer> tokenizer(const std::string& name, const std::string& options) {
  return make_tokenizer({name, YAML::Load(options)});
}

// The ids between the start and the end, of a text of any length.
inline Ids inner_ids(const Tokenizer& tokenizer, const std::string& text) {
  const Ids ids = tokenizer.encode(text, int64_t{1} << 30);
  return {ids.begin() + 1, ids.end() - 1};
}

inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline void expect_error(const std::function<void()>& action, const std::string& part) {
  EXPECT_NE(error_of(action).find(part), std::string::npos) << error_of(action);
}

}  // namespace vtr::text
