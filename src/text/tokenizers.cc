#include "entries.h"

#include "vtr/text/tokenizer.h"

namespace vtr::text {

const Table<TokenizerEntry>& tokenizers() {
  static const Table<TokenizerEntry> table("tokenizer",
                                           {clip_bpe_tokenizer(), sentencepiece_tokenizer()});
  return table;
}

std::unique_ptr<Tokenizer> make_tokenizer(const config::Choice& choice) {
  const TokenizerEntry& entry = tokenizers().find(choice.name);
  return entry.make(entry.schema.resolve(choice.options, "tokenizer"));
}

}  // namespace vtr::text
