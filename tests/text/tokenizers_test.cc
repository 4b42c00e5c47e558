#include "fixtures.h"

namespace vtr::text {
namespace {

TEST(Tokenizers, EveryEntryHasHelpAndDefaults) {
  for (const auto& entry : tokenizers()) {
    EXPECT_FALSE(entry.summary.empty());
    EXPECT_FALSE(entry.schema.help(entry.name).empty());
  }
}

TEST(Tokenizers, MistakesAreErrors) {
  EXPECT_THROW(tokenizer("clip_bpx", "{}"), Error);
  EXPECT_THROW(tokenizer("clip_bpe", "{vocav: x}"), Error);
  EXPECT_THROW(tokenizer("clip_bpe", "{clean: none}"), Error);
}

TEST(Tokenizers, TheDefaultOptionsMakeClips) {
  EXPECT_EQ(make_tokenizer(TextOptions().tokenizer)->vocab_size(), 49408);
}

}  // namespace
}  // namespace vtr::text
