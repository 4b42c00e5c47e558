#include "fixtures.h"
#include "support/temp_dir.h"

#include "vtr/core/files.h"
#include "vtr/core/random.h"

#include <thread>

namespace vtr::text {
namespace {

constexpr int64_t kStart = 49406, kEnd = 49407;

std::unique_ptr<Tokenizer> with_vocab(const fs::path& path) {
  config::Node options;
  options["vocab"] = path.string();
  return make_tokenizer({"clip_bpe", options});
}

std::string symbol(unsigned code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

// The vocabulary as Hugging Face writes it, of the bytes and some merges.
void write_folder(const test::TempDir& dir, const std::vector<std::string>& merges) {
  Json vocab;
  std::vector<unsigned> codes;
  for (unsigned b = 0; b < 256; ++b) {
    if ((b > 32 && b < 127) || (b > 160 && b != 173)) codes.push_back(b);
  }
  for (unsigned code = 256; codes.size() < 256; ++code) codes.push_back(code);
  for (const char* ending : {"", "</w>"}) {
    for (const unsigned code : codes) {
      const auto id = vocab.size();
      vocab[symbol(code) + ending] = id;
    }
  }
  std::string lines = "#version: 0.2\n";
  for (std::string merge : merges) {
    lines += merge + "\n";
    merge.erase(merge.find(' '), 1);
    const auto id = vocab.size();
    vocab[merge] = id;
  }
  for (const char* special : {"<|startoftext|>", "<|endoftext|>"}) {
    const auto id = vocab.size();
    vocab[special] = id;
  }
  dir.write("vocab.json", vocab.dump());
  dir.write("merges.txt", lines);
}

TEST(ClipBpe, StartsAndEnds) {
  const auto clip = tokenizer("clip_bpe", "{}");
  EXPECT_EQ(clip->encode("a red circle", 77), (Ids{kStart, 320, 736, 7117, kEnd}));
  EXPECT_EQ(clip->encode("", 77), (Ids{kStart, kEnd}));
  EXPECT_EQ(clip->vocab_size(), 49408);
  EXPECT_EQ(clip->pad(), 0);
  EXPECT_EQ(tokenizer("clip_bpe", "{clean: huggingface}")->pad(), kEnd);
}

TEST(ClipBpe, ALongTextLosesItsTailAndKeepsItsEnd) {
  const auto clip = tokenizer("clip_bpe", "{}");
  const Ids whole = clip->encode("a man is playing the guitar on a stage", 77);
  for (int64_t n = 2; n < 12; ++n) {
    Ids expected(whole.begin(), whole.begin() + std::min<int64_t>(n, std::ssize(whole)));
    expected.back() = kEnd;
    EXPECT_EQ(clip->encode("a man is playing the guitar on a stage", n), expected);
  }
}

TEST(ClipBpe, AHuggingFaceFolderGivesTheSameIds) {
  std::istringstream lines(read_gz(find_shipped("assets", "bpe_simple_vocab_16e6.txt.gz")));
  std::vector<std::string> merges;
  std::string line;
  std::getline(lines, line);
  while (merges.size() < 48894 && std::getline(lines, line)) merges.push_back(line);
  const test::TempDir dir;
  write_folder(dir, merges);
  const auto clip = tokenizer("clip_bpe", "{}"), folder = with_vocab(dir.path());
  const auto file = with_vocab(dir / "merges.txt");
  EXPECT_EQ(folder->vocab_size(), clip->vocab_size());
  for (const Json& row : fixture("tokens.jsonl.gz")) {
    const std::string text = row["text"];
    if (text.size() > 60) continue;
    EXPECT_EQ(folder->encode(text, 77), clip->encode(text, 77)) << text;
    EXPECT_EQ(file->encode(text, 77), clip->encode(text, 77)) << text;
  }
}

TEST(ClipBpe, ASmallVocabularyMergesByRank) {
  const test::TempDir dir;
  dir.write("merges.txt.plain", "header\nb c\na b\nbc d</w>\na bc\n");
  const auto bpe = with_vocab(dir / "merges.txt.plain");
  const Ids expected{512 + 4, 64, 512 + 2, 512 + 5};  // start, a, bcd</w>, end
  EXPECT_EQ(bpe->encode("abcd", 9), expected);        // a b ranks lower than b c, bc d before a bc
  EXPECT_EQ(bpe->encode("abc", 9), (Ids{516, 513, 256 + 66, 517}));
}

TEST(ClipBpe, ManyThreadsShareOne) {
  const auto clip = tokenizer("clip_bpe", "{}");
  const Ids expected = tokenizer("clip_bpe", "{}")->encode("a chef is cooking pasta", 77);
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        clip->encode("word" + std::to_string(i * t), 77);
        wrong[static_cast<size_t>(t)] += clip->encode("a chef is cooking pasta", 77) != expected;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(ClipBpe, TextThatIsNotUtf8IsAnErrorWithItsOffset) {
  for (const char* options : {"{}", "{clean: huggingface}"}) {
    const auto clip = tokenizer("clip_bpe", options);
    for (const char* bad : {"abc\xff", "abc\xc3", "abc\xed\xa0\x80", "abc\xc0\x80",
                            "abc\xf5\x80\x80\x80", "abc\x80", "abc\xe2\x82 "}) {
      expect_error([&] { clip->encode(bad, 77); }, "not UTF-8 at byte 3");
    }
  }
  const auto clip = tokenizer("clip_bpe", "{clean: huggingface}");
  expect_error([&] { clip->encode("<|endoftext|>\xff", 77); }, "at byte 13");
}

TEST(ClipBpe, RandomBytesAreRefusedOrEncoded) {
  Rng rng(derive(0, "bytes"));
  for (const char* options : {"{}", "{clean: huggingface}"}) {
    const auto clip = tokenizer("clip_bpe", options);
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      const uint64_t spread = i % 2 == 0 ? 256 : 128;
      for (uint64_t n = rng.below(40); n > 0; --n) text += static_cast<char>(rng.below(spread));
      if (spread == 256 && error_of([&] { clip->encode(text, 32); }) != "no error") continue;
      const Ids ids = clip->encode(text, 32);
      EXPECT_LE(ids.size(), 32u);
      EXPECT_EQ(ids.front(), kStart);
      EXPECT_EQ(ids.back(), kEnd);
      for (const int64_t id : ids) EXPECT_TRUE(id >= 0 && id < clip->vocab_size());
    }
  }
}

TEST(ClipBpe, BrokenVocabulariesAreNamed) {
  const test::TempDir dir;
  const auto expect_broken = [&](const std::string& name, const std::string& part) {
    expect_error([&] { with_vocab(dir / name); }, part);
    expect_error([&] { with_vocab(dir / name); }, (dir / name).string());
  };
  const std::string gz = read_file(find_shipped("assets", "bpe_simple_vocab_16e6.txt.gz"));
  dir.write("cut.gz", gz.substr(0, gz.size() / 2));
  dir.write("cut_end.gz", gz.substr(0, gz.size() - 4));
  dir.write("flipped.gz", gz.substr(0, 9000) + "xxxx" + gz.substr(9004));
  dir.write("empty.txt", "");
  dir.write("three.txt", "header\na b\na b c\n");
  dir.write("one.txt", "header\na b\nab\nb c\n");
  dir.write("unknown.txt", "header\na bc\n");
  expect_broken("missing.gz", "no such file");
  for (const char* name : {"cut.gz", "cut_end.gz", "flipped.gz"})
    expect_broken(name, "broken or truncated");
  expect_broken("empty.txt", "holds no merges");
  expect_broken("three.txt", "line 3: a merge is two symbols");
  expect_broken("one.txt", "line 3: a merge is two symbols");
  expect_broken("unknown.txt", "line 2: 'bc' is not in the vocabulary");
}

TEST(ClipBpe, BrokenHuggingFaceFoldersAreNamed) {
  const test::TempDir dir;
  expect_error([&] { with_vocab(dir.path()); }, (dir / "vocab.json").string() + ": no such file");
  write_folder(dir, {"a b", "ab c"});
  EXPECT_EQ(with_vocab(dir.path())->vocab_size(), 516);
  dir.write("merges.txt", "#version: 0.2\na b\nab d\n");
  expect_error([&] { with_vocab(dir.path()); },
               "merges.txt: line 3: 'abd' is not in the vocabulary");
  fs::remove(dir / "merges.txt");
  expect_error([&] { with_vocab(dir.path()); }, "merges.txt: no such file");
  for (const char* vocab : {"{\"a\": 1", "[1, 2]", "{\"a\": \"b\"}"}) {
    dir.write("vocab.json", vocab);
    expect_error([&] { with_vocab(dir.path()); }, "vocab.json: not a map of tokens to ids");
  }
  dir.write("vocab.json", "{\"a\": -1}");
  expect_error([&] { with_vocab(dir.path()); }, "'a' has the id -1");
  dir.write("vocab.json", "{\"a\": 1}");
  expect_error([&] { with_vocab(dir.path()); }, "'<|startoftext|>' is not in the vocabulary");
}

}  // namespace
}  // namespace vtr::text
