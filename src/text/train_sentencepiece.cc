#include "vtr/text/train_sentencepiece.h"

#include "unicode.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <sentencepiece_trainer.h>

namespace vtr::text {
namespace {

class Sentences final : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(std::vector<std::string> texts) : texts_(std::move(texts)) {}
  bool done() const override { return i_ == texts_.size(); }
  void Next() override { ++i_; }
  const std::string& value() const override { return texts_[i_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> texts_;
  size_t i_ = 0;
};

std::vector<std::string> cleaned(const std::vector<std::string>& captions, bool to_lower) {
  std::vector<std::string> result;
  for (const auto& caption : captions) {
    const std::u32string words = collapse_spaces(decode_utf8(caption));
    if (!words.empty()) result.push_back(encode_utf8(to_lower ? lower(words) : words));
  }
  return result;
}

}  // namespace

void train_sentencepiece(const std::vector<std::string>& captions,
                         const std::filesystem::path& path, const SentencePieceTraining& options) {
  auto texts = cleaned(captions, options.lower);
  VTR_CHECK(!texts.empty(), "{}: no captions to train a sentencepiece model on", path.string());
  Sentences sentences(std::move(texts));
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", options.kind},
       {"vocab_size", std::to_string(options.vocab_size)},
       {"hard_vocab_limit", "false"},
       {"character_coverage", "1.0"},
       {"normalization_rule_name", "identity"},  // the usual one adds 250 KB of Unicode tables
       {"num_threads", "1"},                     // sums of floats in one order
       {"shuffle_input_sentence", "false"},
       {"minloglevel", "3"}},
      &sentences, &model);
  VTR_CHECK(status.ok(), "{}: sentencepiece cannot be trained: {}", path.string(),
            status.message());
  write_file(path, model);
}

}  // namespace vtr::text
