#include "support/fake_tokenizer.h"

#include <gtest/gtest.h>

namespace vtr::text {
namespace {

struct Counting : test::FakeTokenizer {
  explicit Counting(int& times) : calls(times) {}
  std::vector<int64_t> encode(std::string_view text, int64_t max_tokens) const override {
    ++calls;
    return FakeTokenizer::encode(text, max_tokens);
  }
  int& calls;
};

TEST(Remember, ATextIsTokenisedOnce) {
  int calls = 0;
  const auto tokenizer = remember(std::make_unique<Counting>(calls));
  const test::FakeTokenizer plain;
  for (int pass = 0; pass < 2; ++pass) {
    for (const char* text : {"abc", "", "a longer one"}) {
      for (const int64_t most : {5, 9})
        EXPECT_EQ(tokenizer->encode(text, most), plain.encode(text, most));
    }
  }
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(tokenizer->vocab_size(), plain.vocab_size());
  EXPECT_EQ(tokenizer->pad(), plain.pad());
}

TEST(Remember, ItsMemoryIsBounded) {
  int calls = 0;
  const auto tokenizer = remember(std::make_unique<Counting>(calls), /*megabytes=*/0);
  tokenizer->encode("abc", 9);
  tokenizer->encode("abc", 9);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace vtr::text
