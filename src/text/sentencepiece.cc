#include "entries.h"
#include "unicode.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <algorithm>
#include <sentencepiece_processor.h>

namespace vtr::text {
namespace {

struct Options {
  std::string model, special = "clip";
  bool lower = true;
  void fields(auto& f) {
    f("model", model, "the sentencepiece model's file");
    f("special", special,
      "start and end: two ids after the pieces as CLIP's are, or the model's own where it has them",
      config::one_of({"clip", "model"}));
    f("lower", lower, "lower-case the text");
  }
  void check(const std::string& path) const {
    if (model.empty()) throw Error(path + ".model: the path of a sentencepiece model is needed");
  }
};

// Calls f(number, bytes) for the fields of a protobuf message that have a length; stops where it is
// not well formed, which sentencepiece itself reports.
template <class F>
void for_each_field(std::string_view message, F f) {
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(message[0]);
      message.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (!message.empty()) {
    const uint64_t tag = varint(), wire = tag & 7;
    const uint64_t size = wire == 0 ? (varint(), 0) : wire == 1 ? 8 : wire == 2 ? varint() : 4;
    if (size > message.size() || wire == 3 || wire == 4 || wire > 5) return;
    if (wire == 2) f(tag >> 3, message.substr(0, size));
    message.remove_prefix(size);
  }
}

// sentencepiece ends the process over a piece with a zero byte instead of reporting it.
bool has_zero_byte(std::string_view model) {
  bool found = false;
  for_each_field(model, [&](uint64_t field, std::string_view piece) {
    if (field != 1) return;
    for_each_field(piece, [&](uint64_t inner, std::string_view text) {
      found = found || (inner == 1 && text.find('\0') != std::string_view::npos);
    });
  });
  return found;
}

class SentencePiece final : public Tokenizer {
 public:
  explicit SentencePiece(const Options& options) : lower_(options.lower) {
    const fs::path path = find_shipped("configs", options.model);
    const std::string bytes = read_file(path);
    VTR_CHECK(!has_zero_byte(bytes), "{}: not a sentencepiece model: a piece has a zero byte",
              path.string());
    const auto status = model_.LoadFromSerializedProto(bytes);
    VTR_CHECK(status.ok() && model_.GetPieceSize() > 0, "{}: not a sentencepiece model: {}",
              path.string(), status.ok() ? "it has no pieces" : status.message());
    const int64_t pieces = model_.GetPieceSize();
    const bool clip = options.special == "clip";
    // CLIP's text encoder reads its output at the largest id, so the end comes last.
    start_ = clip ? pieces : model_.bos_id();
    end_ = clip ? pieces + 1 : model_.eos_id();
    pad_ = clip ? 0 : std::max(model_.pad_id(), 0);
    size_ = clip ? pieces + 2 : pieces;
  }

  std::vector<int64_t> encode(std::string_view text, int64_t max_tokens) const override {
    VTR_ASSERT(max_tokens >= 2);
    const std::u32string words = collapse_spaces(decode_utf8(text));
    std::vector<int> pieces;
    const auto status = model_.Encode(encode_utf8(lower_ ? text::lower(words) : words), &pieces);
    VTR_CHECK(status.ok(), "sentencepiece cannot encode the text: {}", status.message());
    std::vector<int64_t> ids;
    if (start_ >= 0) ids.push_back(start_);
    ids.insert(ids.end(), pieces.begin(), pieces.end());
    const auto limit = static_cast<size_t>(max_tokens - (end_ >= 0 ? 1 : 0));
    ids.resize(std::min(ids.size(), limit));
    if (end_ >= 0) ids.push_back(end_);
    return ids;
  }
  int64_t vocab_size() const override { return size_; }
  int64_t pad() const override { return pad_; }

 private:
  sentencepiece::SentencePieceProcessor model_;
  bool lower_;
  int64_t start_ = -1, end_ = -1, pad_ = 0, size_ = 0;  // a negative id: the model has none
};

}  // namespace

TokenizerEntry sentencepiece_tokenizer() {
  return tokenizer_entry<SentencePiece, Options>("sentencepiece", "a sentencepiece model");
}

}  // namespace vtr::text
