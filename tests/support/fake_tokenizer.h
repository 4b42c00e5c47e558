// A tokeniser for tests: a token a letter between 1 (start) and 2 (end), padded with 0.
#pragma once

#include "vtr/text/tokenizer.h"

namespace vtr::test {

class FakeTokenizer : public text::Tokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, int64_t max_tokens) const override {
    std::vector<int64_t> ids = {1};
    for (const unsigned char c : text.substr(0, static_cast<size_t>(max_tokens - 2))) {
      ids.push_back(3 + c);
    }
    ids.push_back(2);
    return ids;
  }
  int64_t vocab_size() const override { return 259; }
  int64_t pad() const override { return 0; }
};

}  // namespace vtr::test
