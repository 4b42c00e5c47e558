// Every string of the fixtures against the reference tokenisers: scripts/make_token_fixtures.py.
#include "fixtures.h"

#include <algorithm>
#include <iostream>
#include <map>

namespace vtr::text {
namespace {

// The one kind whose ids may differ: characters newer than Unicode 15.0, of which the libraries
// (our utf8proc, Python's regex, transformers' onig) know or do not know whether they are letters.
constexpr const char* kMayDiffer = "newer";

std::string lower_ascii(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// open_clip renamed OpenAI's special tokens, its only change to the ids.
bool names_a_special_token(const std::string& text) {
  const std::string lowered = lower_ascii(text);
  for (const char* special : {"<start_of_text>", "<end_of_text>", "<|startoftext|>",
                              "<|endoftext|>", "<|ſtartoftext|>"}) {
    if (lowered.find(special) != std::string::npos) return true;
  }
  return false;
}

void compare(const Tokenizer& ours, const std::string& reference) {
  std::map<std::string, std::pair<int, int>> counts;  // kind: strings, of them different
  for (const Json& row : fixture("tokens.jsonl.gz")) {
    const std::string kind = row["kind"], text = row["text"];
    const Ids expected = row.value(reference, row["openai"].get<Ids>());
    const Ids ids = inner_ids(ours, text);
    const bool different = ids != expected;
    ++counts[kind].first;
    counts[kind].second += different;
    if (different && kind != kMayDiffer) ADD_FAILURE() << kind << ": " << row["text"];
  }
  int strings = 0;
  for (const auto& [kind, count] : counts) {
    strings += count.first;
    if (count.second > 0) {
      std::cout << reference << ": " << count.second << " of " << count.first << " strings of kind "
                << kind << " differ\n";
    }
  }
  std::cout << reference << ": " << strings << " strings compared\n";
  EXPECT_GT(strings, 5000);
}

TEST(TokenParity, OpenAi) { compare(*tokenizer("clip_bpe", "{}"), "openai"); }

TEST(TokenParity, HuggingFace) {
  compare(*tokenizer("clip_bpe", "{clean: huggingface}"), "huggingface");
}

TEST(TokenParity, OpenClipDiffersInSpecialTokensOnly) {
  int different = 0;
  for (const Json& row : fixture("tokens.jsonl.gz")) {
    if (!row.contains("open_clip")) continue;
    ++different;
    EXPECT_TRUE(names_a_special_token(row["text"])) << row["text"];
  }
  std::cout << "open_clip: " << different << " strings that name a special token differ\n";
}

TEST(TokenParity, LongTextsAreCutAsOpenClipCutsThem) {
  const auto ours = tokenizer("clip_bpe", "{}");
  int compared = 0;
  for (const Json& row : fixture("tokens.jsonl.gz")) {
    if (!row.contains("context") || row.contains("open_clip") || row["kind"] == kMayDiffer)
      continue;
    ++compared;
    EXPECT_EQ(ours->encode(row["text"].get<std::string>(), 77), row["context"].get<Ids>());
  }
  EXPECT_GT(compared, 10);
}

TEST(TokenParity, SentencePiece) {
  const std::string model = std::string(VTR_FIXTURES) + "/text/pieces.model";
  const auto cased = tokenizer("sentencepiece", "{lower: false, model: " + model + "}");
  const auto lower = tokenizer("sentencepiece", "{model: " + model + "}");
  for (const Json& row : fixture("pieces.jsonl.gz")) {
    EXPECT_EQ(inner_ids(*cased, row["text"]), row["cased"].get<Ids>()) << row["text"];
    EXPECT_EQ(inner_ids(*lower, row["text"]), row["lower"].get<Ids>()) << row["text"];
  }
}

}  // namespace
}  // namespace vtr::text
