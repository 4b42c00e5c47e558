// Trains a small sentencepiece model (Kudo and Richardson, EMNLP 2018) on captions.
//
//   text::train_sentencepiece(captions, "pieces.model", {.vocab_size = 500});
//   auto tokenizer = text::make_tokenizer({"sentencepiece", node_with_model});
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vtr::text {

struct SentencePieceTraining {
  std::string kind = "bpe";   // or "unigram", which on few captions yields little but letters
  int64_t vocab_size = 1000;  // at most: captions of few words yield fewer pieces
  bool lower = true;          // as the tokenizer's option of the same name
};

// The same captions in the same order give the same file. Throws Error for captions that are not
// UTF-8 or too few, and for a vocabulary smaller than the characters in use.
void train_sentencepiece(const std::vector<std::string>& captions,
                         const std::filesystem::path& path,
                         const SentencePieceTraining& options = {});

}  // namespace vtr::text
