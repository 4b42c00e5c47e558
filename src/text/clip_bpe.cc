#include "bpe.h"
#include "clean.h"
#include "entries.h"
#include "unicode.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>

namespace vtr::text {
namespace {

using View = std::u32string_view;

constexpr View kStart = U"<|startoftext|>", kEnd = U"<|endoftext|>";

struct Options {
  std::string vocab, clean = "openai";
  void fields(auto& f) {
    f("vocab", vocab,
      "CLIP's merges (.txt or .gz), or a Hugging Face folder; empty: bpe_simple_vocab_16e6.txt.gz");
    f("clean", clean, "clean-up: OpenAI's (ftfy, HTML references) or transformers' (NFC)",
      config::one_of({"openai", "huggingface"}));
  }
};

// Regular expressions that ignore case take the long s for an s, which lower-casing leaves alone.
bool same_letter(char32_t c, char32_t wanted, bool fold) {
  return c == wanted || (fold && c == U'ſ' && wanted == U's');
}

// The length of the word that starts at `i`, or 0 at a space; CLIP's
//   <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
size_t word_length(View text, size_t i, bool fold) {
  const auto starts_with = [&](View word) {
    return word.size() <= text.size() - i &&
           std::equal(word.begin(), word.end(), text.begin() + static_cast<ptrdiff_t>(i),
                      [&](char32_t wanted, char32_t c) { return same_letter(c, wanted, fold); });
  };
  if (text[i] == '<' || text[i] == '\'') {
    for (const View word : {kStart, kEnd, View(U"'s"), View(U"'t"), View(U"'re"), View(U"'ve"),
                            View(U"'m"), View(U"'ll"), View(U"'d")}) {
      if (starts_with(word)) return word.size();
    }
  }
  const auto is_other = [&](char32_t c) {
    // U+0345 is no letter, but its capital is: ignoring case, it is outside of both kinds of word.
    return !is_space(c) && !is_letter(c) && !is_number(c) && !(fold && c == 0x345);
  };
  size_t end = i;
  if (is_number(text[i])) return 1;
  if (is_letter(text[i])) {
    while (end < text.size() && is_letter(text[end])) ++end;
  } else {
    while (end < text.size() && is_other(text[end])) ++end;
  }
  return end - i;
}

class ClipBpe final : public Tokenizer {
 public:
  explicit ClipBpe(const Options& options)
      : bpe_(find_shipped("assets",
                          options.vocab.empty() ? "bpe_simple_vocab_16e6.txt.gz" : options.vocab)),
        openai_(options.clean == "openai") {}

  std::vector<int64_t> encode(std::string_view text, int64_t max_tokens) const override {
    VTR_ASSERT(max_tokens >= 2);
    std::vector<int64_t> ids{bpe_.start()};
    const auto limit = static_cast<size_t>(max_tokens) - 1;
    openai_ ? add_words(clean_openai(text), limit, ids) : add_parts(text, limit, ids);
    ids.resize(std::min(ids.size(), limit));
    ids.push_back(bpe_.end());
    return ids;
  }
  int64_t vocab_size() const override { return bpe_.size(); }
  int64_t pad() const override { return openai_ ? 0 : bpe_.end(); }

 private:
  // Transformers takes the special tokens out before any clean-up.
  void add_parts(std::string_view text, size_t limit, std::vector<int64_t>& ids) const {
    decode_utf8(text);  // an error's offset is that in the whole text
    const std::array<std::pair<std::string, int64_t>, 2> specials{
        {{encode_utf8(kStart), bpe_.start()}, {encode_utf8(kEnd), bpe_.end()}}};
    while (!text.empty() && ids.size() < limit) {
      size_t at = std::string_view::npos;
      const std::pair<std::string, int64_t>* next = nullptr;
      for (const auto& special : specials) {
        if (const size_t found = text.find(special.first); found < at) {
          at = found;
          next = &special;
        }
      }
      add_words(clean_huggingface(text.substr(0, at)), limit, ids);
      if (!next) return;
      ids.push_back(next->second);
      text.remove_prefix(at + next->first.size());
    }
  }

  // Stops once there are `limit` ids, or a few more.
  void add_words(View text, size_t limit, std::vector<int64_t>& ids) const {
    for (size_t i = 0; i < text.size() && ids.size() < limit;) {
      const size_t n = word_length(text, i, openai_);
      if (n > 0) add_word(text.substr(i, n), ids);
      i += std::max<size_t>(n, 1);
    }
  }

  void add_word(View word, std::vector<int64_t>& ids) const {
    const bool special = word == kStart || word == kEnd;
    if (special && openai_) {
      ids.push_back(word == kStart ? bpe_.start() : bpe_.end());
    } else if (special) {
      // One that only lower-casing made: transformers parts it once more.
      for (const View part : {word.substr(0, 2), word.substr(2, word.size() - 4), View(U"|>")}) {
        add_cached(encode_utf8(part), ids);
      }
    } else {
      add_cached(encode_utf8(word), ids);
    }
  }

  // Captions repeat their words: a look-up is some ten times cheaper than the merges.
  void add_cached(const std::string& word, std::vector<int64_t>& ids) const {
    if (word.size() > kCachedBytes) return bpe_.encode(word, ids);
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = cache_.try_emplace(word);
    if (is_new) bpe_.encode(word, at->second);
    ids.insert(ids.end(), at->second.begin(), at->second.end());
    if (cache_.size() > kCachedWords) cache_.clear();
  }

  static constexpr size_t kCachedBytes = 64, kCachedWords = 100000;
  const Bpe bpe_;
  const bool openai_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, std::vector<int64_t>> cache_;
};

}  // namespace

TokenizerEntry clip_bpe_tokenizer() {
  return tokenizer_entry<ClipBpe, Options>("clip_bpe", "CLIP's byte-level byte-pair encoding");
}

}  // namespace vtr::text
