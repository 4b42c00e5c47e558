// Text to token ids, one interface for every tokeniser.
//
//   auto tokenizer = text::make_tokenizer(options);
//   std::vector<int64_t> ids = tokenizer->encode("a red circle");   // [SOT, ..., EOT]
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vtr::text {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Ids with the start and end tokens, at most `max_tokens` of them: a longer text loses its tail,
  // never its end token. Throws Error for text that is not UTF-8.
  virtual std::vector<int64_t> encode(std::string_view text, int64_t max_tokens) const = 0;
  virtual int64_t vocab_size() const = 0;  // ids are in [0, vocab_size)
  virtual int64_t pad() const = 0;         // fills a batch up; the encoder never sees it
};

struct TextOptions {
  config::Choice tokenizer{"clip_bpe", {}};
  int64_t max_words = 32;
  void fields(auto& f) {
    f("tokenizer", tokenizer, "tokeniser and its options (vtr list tokenizers)");
    f("max_words", max_words, "tokens of a caption, start and end included", config::at_least(3));
  }
};

struct TokenizerEntry {
  std::string name, summary;
  config::Schema schema;
  std::function<std::unique_ptr<Tokenizer>(const config::Node& options)> make;
};

const Table<TokenizerEntry>& tokenizers();

// Throws Error for a missing or broken vocabulary file.
std::unique_ptr<Tokenizer> make_tokenizer(const config::Choice& choice);

// The same tokeniser, each text tokenised once: ids are kept as far as `megabytes` go, and captions
// come again every epoch. Any thread may call it.
std::unique_ptr<Tokenizer> remember(std::unique_ptr<Tokenizer> tokenizer, int64_t megabytes = 256);

}  // namespace vtr::text
