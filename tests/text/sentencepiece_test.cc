#include "fixtures.h"
#include "support/temp_dir.h"

#include "vtr/core/files.h"
#include "vtr/core/random.h"
#include "vtr/text/train_sentencepiece.h"

namespace vtr::text {
namespace {

const std::string kModel = std::string(VTR_FIXTURES) + "/text/pieces.model";

std::unique_ptr<Tokenizer> with_model(const fs::path& path, const std::string& special = "clip") {
  config::Node options;
  options["model"] = path.string();
  options["special"] = special;
  return make_tokenizer({"sentencepiece", options});
}

std::vector<std::string> captions() {
  std::vector<std::string> result;
  for (const char* shape : {"circle", "square", "triangle", "star"}) {
    for (const char* colour : {"red", "Green", "blue", "yellow"}) {
      for (const char* way : {"left", "right", "up", "down"}) {
        result.push_back(fmt::format("a {} {}  moves {}", colour, shape, way));
      }
    }
  }
  return result;
}

TEST(SentencePiece, ClipsStartAndEndComeAfterThePieces) {
  const auto clip = with_model(kModel), own = with_model(kModel, "model");
  const int64_t pieces = own->vocab_size();
  EXPECT_EQ(clip->vocab_size(), pieces + 2);
  const Ids ids = clip->encode("a man plays", 77), own_ids = own->encode("a man plays", 77);
  EXPECT_EQ(ids.front(), pieces);
  EXPECT_EQ(ids.back(), pieces + 1);
  EXPECT_EQ(own_ids.front(), 1);
  EXPECT_EQ(own_ids.back(), 2);
  EXPECT_EQ(Ids(ids.begin() + 1, ids.end() - 1), Ids(own_ids.begin() + 1, own_ids.end() - 1));
  EXPECT_EQ(clip->pad(), 0);
  EXPECT_EQ(own->pad(), 3);
}

TEST(SentencePiece, ALongTextKeepsItsEnd) {
  for (const char* special : {"clip", "model"}) {
    const auto tokenizer = with_model(kModel, special);
    const Ids whole = tokenizer->encode("a man is playing the guitar", 77);
    const Ids cut = tokenizer->encode("a man is playing the guitar", 4);
    EXPECT_EQ(cut, (Ids{whole[0], whole[1], whole[2], whole.back()}));
    EXPECT_EQ(tokenizer->encode("", 77), (Ids{whole.front(), whole.back()}));
  }
}

TEST(SentencePiece, CaseAndSpacesDoNotMatter) {
  const auto tokenizer = with_model(kModel);
  EXPECT_EQ(tokenizer->encode(" A  MAN\tplays ", 77), tokenizer->encode("a man plays", 77));
}

TEST(SentencePiece, TrainingTwiceGivesTheSameSmallFile) {
  const test::TempDir dir;
  for (const char* kind : {"unigram", "bpe"}) {
    testing::internal::CaptureStderr();
    train_sentencepiece(captions(), dir / "a.model", {.kind = kind, .vocab_size = 80});
    train_sentencepiece(captions(), dir / "b.model", {.kind = kind, .vocab_size = 80});
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(read_file(dir / "a.model"), read_file(dir / "b.model"));
    EXPECT_LT(fs::file_size(dir / "a.model"), 4000u);
    const auto tokenizer = with_model(dir / "a.model");
    EXPECT_LE(tokenizer->vocab_size(), 82);
    const Ids ids = tokenizer->encode("a GREEN star moves left", 77);
    EXPECT_LT(ids.size(), kind == std::string("bpe") ? 8u : 26u);  // 5 words of 23 letters in all
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 0), 0) << "an unknown piece";
  }
}

TEST(SentencePiece, TrainingErrorsSayWhy) {
  const test::TempDir dir;
  expect_error([&] { train_sentencepiece({"", " "}, dir / "x.model"); }, "x.model: no captions");
  expect_error(
      [&] {
        train_sentencepiece({"a", "b\xff"}, dir / "x.model");
      },
      "not UTF-8 at byte 1");
  expect_error([&] { train_sentencepiece(captions(), dir / "x.model", {.vocab_size = 5}); },
               "x.model: sentencepiece cannot be trained");
  expect_error([&] { train_sentencepiece(captions(), dir / "x.model", {.kind = "x"}); },
               "x.model: sentencepiece cannot be trained");
  EXPECT_FALSE(fs::exists(dir / "x.model"));
}

TEST(SentencePiece, BrokenModelsAreNamed) {
  const test::TempDir dir;
  const std::string model = read_file(kModel);
  const std::string zero = std::string("\x0a\x08\x0a\x01\0\x15\0\0\0\0", 10);
  for (const std::string& broken :
       {std::string(), std::string("junk"), model.substr(0, 700), zero + model}) {
    dir.write("x.model", broken);
    expect_error([&] { with_model(dir / "x.model"); }, "x.model: not a sentencepiece model");
  }
  expect_error([&] { with_model(dir / "none.model"); }, "none.model: no such file");
  expect_error([&] { tokenizer("sentencepiece", "{}"); }, "tokenizer.model: the path of");
}

TEST(SentencePiece, FlippedBytesNeverCrash) {
  const test::TempDir dir;
  const std::string model = read_file(kModel);
  for (uint64_t i = 0; i < 300; ++i) {
    Rng rng(derive(0, "flip", i));
    std::string broken = model;
    for (int n = 0; n < 3; ++n)
      broken[rng.below(broken.size())] = static_cast<char>(rng.below(256));
    dir.write("x.model", broken);
    error_of([&] {
      const auto tokenizer = with_model(dir / "x.model");
      for (const int64_t id : tokenizer->encode("a man is playing", 20)) {
        EXPECT_TRUE(id >= 0 && id < tokenizer->vocab_size());
      }
    });
  }
}

}  // namespace
}  // namespace vtr::text
