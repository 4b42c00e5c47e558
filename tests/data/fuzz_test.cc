// Annotation files with bytes changed at random, through every reader: an Error or a sound
// manifest, never anything else. VTR_FUZZ_RUNS=1000000 asks for more than the default.
#include "datasets/annotations.h"
#include "support/temp_dir.h"

#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/data/manifest.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>

namespace vtr::data {
namespace {

// A file of a folder that a reader is given; the fuzzed one is the first.
struct File {
  std::string name, text;
};
struct Target {
  std::string dataset, split;
  std::vector<File> files;
};

const std::string kRow = "A_00.1\t0\t1\t0\t1\tSOMEONE sits.\n";
const std::string kData =
    R"({"videos": [{"video_id": "v1", "split": "train"}, {"video_id": "v2", "split": "test"}],)"
    R"( "sentences": [{"caption": "a \u00e9", "video_id": "v1"}, {"caption": "b", "video_id": "v2"}]})";

const std::vector<Target> kTargets = {
    {"msrvtt", "9k", {{"MSRVTT_train.9k.csv", "video_id\nv1\nv2\n"}, {"MSRVTT_data.json", kData}}},
    {"msrvtt",
     "1k-A",
     {{"MSRVTT_JSFUSION_test.csv", "key,video_id,sentence\nr0,v1,\"a \"\"b\"\", c\"\nr1,v2,d\n"}}},
    {"msrvtt", "full-train", {{"MSRVTT_data.json", kData}}},
    {"msrvtt", "9k", {{"train_list_9k.txt", "v1\r\nv2\n"}, {"MSRVTT_data.json", kData}}},
    {"msrvtt",
     "miech-test",
     {{"MSR_VTT.json", R"({"annotations": [{"image_id": "v1", "caption": "a"}]})"},
      {"test_list_miech.txt", "v1\n"}}},
    {"msrvtt",
     "1k-A",
     {{"jsfusion_val_caption_idx.json", R"({"v1": 1})"},
      {"MSRVTT_titles.json", R"({"v1": {"gt": ["a", "b"], "titles": []}})"},
      {"val_list_jsfusion.txt", "v1\n"}}},
    {"msrvtt", "9k", {{"train_9k.json", R"({"v1.mp4": ["a", "b"], "v2.mp4": ["c"]})"}}},
    {"msrvtt", "9k", {{"train_9k.json", R"([{"filename": "v1", "text": "a"}])"}}},
    {"msrvtt", "9k", {{"train_9k.jsonl", "{\"clip_name\": \"v1\", \"caption\": \"a\"}\n"}}},
    {"lsmdc", "test", {{"LSMDC16_challenge_1000_publictect.csv", kRow + "\"B_" + kRow}}},
    {"msvd",
     "test",
     {{"raw-captions.json", R"({"v1": [["a", "b"], ["c"]]})"}, {"test_list.txt", "v1\n"}}},
    {"didemo", "test", {{"test_data.json", R"([{"video": "v1.avi", "description": "a "}])"}}},
    {"activitynet", "val1", {{"val_1.json", R"({"v_x": {"sentences": ["a", " b"]}})"}}},
    {"vatex",
     "train",
     {{"vatex_training_v1.0.json", R"([{"videoID": "v1_000010_000020", "enCap": ["a"]}])"}}},
    {"jsonl",
     "train",
     {{"data.jsonl",
       "{\"video\": \"v1.mp4\", \"captions\": [\"a\"], \"split\": \"train\","
       " \"start\": 1, \"end\": 2.5}\n"}}},
};

// A target's folder, and the texts its changes start from: more of them as some are accepted.
struct Arena {
  explicit Arena(const Target& from) : target(from), corpus{from.files[0].text} {
    for (const auto& file : target.files) dir.write(file.name, file.text);
    dir.write("videos/v1.mp4", "x");
    options.dataset = target.dataset;
    options.root = dir.path().string();
    options.test = target.split;
  }
  // Whether the file was read.
  bool run(const std::string& text) const {
    std::ofstream(dir / target.files[0].name, std::ios::binary | std::ios::trunc) << text;
    Manifest manifest;
    try {
      manifest = read_annotations(options, Split::test, 0);
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
      return false;
    }
    EXPECT_FALSE(manifest.videos.empty());
    for (const auto& video : manifest.videos) {
      EXPECT_FALSE(video.id.empty());
      EXPECT_TRUE(video.path.lexically_normal().string().starts_with(options.root));
      EXPECT_FALSE(video.captions.empty());
      for (const auto& caption : video.captions) EXPECT_NO_THROW(check_caption(caption, "fuzz"));
    }
    return true;
  }
  const Target& target;
  std::vector<std::string> corpus;
  test::TempDir dir;
  DataOptions options;
};

std::string changed(std::string text, const std::string& other, Rng& rng) {
  static const std::vector<std::string> kPieces = {"\"",    "\\",
                                                   "{",     "}",
                                                   "[",     "]",
                                                   ",",     ":",
                                                   "\n",    "\t",
                                                   "\r\n",  "\0",
                                                   "../",   "/",
                                                   "\xFF",  "\xC3",
                                                   "null",  "-1",
                                                   "1e999", "\\ud800",
                                                   "v1",    "18446744073709551616"};
  const auto place = [&](size_t size) { return static_cast<size_t>(rng.below(size + 1)); };
  for (uint64_t changes = 1 + rng.below(4); changes > 0; --changes) {
    const size_t at = place(text.size()), length = place(std::min<size_t>(16, text.size() - at));
    switch (rng.below(6)) {
      case 0:
        text.insert(at, 1, static_cast<char>(rng.below(256)));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.insert(at, kPieces[rng.below(kPieces.size())]);
        break;
      case 4:
        text.insert(at, other.substr(place(other.size()), 24));
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << rng.below(8)));
    }
  }
  return text.size() > 4096 ? text.substr(0, 4096) : text;
}

TEST(Fuzz, ReadersGiveAnErrorOrASoundManifest) {
  const char* asked = std::getenv("VTR_FUZZ_RUNS");
  const int64_t runs = asked ? std::atoll(asked) : 3000;
  constexpr size_t kCorpus = 64;
  std::vector<std::unique_ptr<Arena>> arenas;
  for (const auto& target : kTargets) {
    arenas.push_back(std::make_unique<Arena>(target));
    ASSERT_TRUE(arenas.back()->run(target.files[0].text)) << target.files[0].name;
  }
  const auto start = std::chrono::steady_clock::now();
  int64_t accepted = 0;
  for (int64_t i = 0; i < runs && !testing::Test::HasFailure(); ++i) {
    Rng rng(derive(0, "fuzz", static_cast<uint64_t>(i)));
    Arena& arena = *arenas[static_cast<size_t>(i) % arenas.size()];
    const auto& other = arenas[rng.below(arenas.size())]->corpus.front();
    auto& corpus = arena.corpus;
    const std::string text = changed(corpus[rng.below(corpus.size())], other, rng);
    if (!arena.run(text)) continue;
    ++accepted;
    const size_t to = 1 + static_cast<size_t>(rng.below(kCorpus - 1));
    if (to < corpus.size())
      corpus[to] = text;
    else
      corpus.push_back(text);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (asked) {
    fmt::print("{} inputs, {} accepted, {:.0f} s\n", runs, accepted, seconds.count());
  }
  EXPECT_GT(accepted, runs / 100) << "the changes should not break every file";
}

}  // namespace
}  // namespace vtr::data
