#include "vtr/data/manifest.h"

#include "datasets/annotations.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <set>

namespace vtr::data {
namespace {

struct Folder {
  explicit Folder(int videos) {
    std::string lines;
    for (int i = 0; i < videos; ++i) {
      dir.write(fmt::format("{}.mp4", i), "x");
      lines += fmt::format("{{\"video\": \"{}.mp4\", \"caption\": \"x\"}}\n", i);
    }
    dir.write("all.jsonl", lines);
    options.dataset = "jsonl";
    options.root = dir.path().string();
    options.train = options.test = "all.jsonl";
  }
  test::TempDir dir;
  DataOptions options;
};

std::set<std::string> ids(const Manifest& manifest) {
  std::set<std::string> result;
  for (const auto& video : manifest.videos) result.insert(video.id);
  return result;
}

TEST(Manifest, TheCarvedValidationSplitLeavesTheTrainingSplit) {
  Folder folder(20);
  folder.options.val_fraction = 0.25;
  const auto val = ids(read_split(folder.options, Split::val, 3));
  const auto train = ids(read_split(folder.options, Split::train, 3));
  EXPECT_EQ(val.size(), 5u);
  EXPECT_EQ(train.size(), 15u);
  for (const auto& id : val) EXPECT_FALSE(train.contains(id));
  EXPECT_EQ(val, ids(read_split(folder.options, Split::val, 3)));
  EXPECT_NE(val, ids(read_split(folder.options, Split::val, 4)));
  EXPECT_EQ(ids(read_split(folder.options, Split::test, 3)).size(), 20u);
}

TEST(Manifest, ASmallFractionTakesOneVideoAndNoneTakesNone) {
  Folder folder(5);
  EXPECT_TRUE(read_split(folder.options, Split::val, 0).videos.empty());
  EXPECT_EQ(read_split(folder.options, Split::train, 0).videos.size(), 5u);
  folder.options.val_fraction = 0.01;
  EXPECT_EQ(read_split(folder.options, Split::val, 0).videos.size(), 1u);
  folder.options.val = "all.jsonl";
  EXPECT_EQ(read_split(folder.options, Split::val, 0).videos.size(), 5u);
  EXPECT_EQ(read_split(folder.options, Split::train, 0).videos.size(), 5u);
}

TEST(Manifest, OneVideoCannotBeSplit) {
  Folder folder(1);
  folder.options.val_fraction = 0.5;
  test::expect_error([&] { read_split(folder.options, Split::train, 0); }, "data.val_fraction");
}

TEST(Manifest, MissingVideosAreCountedAndNamed) {
  Folder folder(6);
  for (const char* name : {"1.mp4", "2.mp4", "4.mp4", "5.mp4"}) fs::remove(folder.dir / name);
  const auto read = [&] { return read_split(folder.options, Split::test, 0); };
  test::expect_error(read, "jsonl all.jsonl: 4 of 6 video files are missing or empty (" +
                               (folder.dir / "1.mp4").string());
  test::expect_error(read, "data.on_error=skip");
  folder.options.on_error = "skip";
  EXPECT_EQ(read().videos.size(), 6u) << "a split never shrinks silently";
  for (const char* name : {"0.mp4", "3.mp4"}) fs::remove(folder.dir / name);
  test::expect_error(read, "6 of 6 video files are missing");
}

TEST(Manifest, AByteOrderMarkIsNoPartOfAListedId) {
  test::TempDir dir;
  EXPECT_EQ(read_skip_list(dir.write("skip.txt", "\xEF\xBB\xBFv1\tmissing\r\nv2\n")),
            (std::unordered_set<std::string>{"v1", "v2"}));
}

TEST(Manifest, AnUnknownDatasetNamesTheKnownOnes) {
  DataOptions options;
  options.dataset = "msrvt";
  test::expect_error([&] { read_split(options, Split::train, 0); },
                     "unknown dataset 'msrvt' (known: ");
}

TEST(Manifest, EveryDatasetSaysWhatItIsAndAsksForItsRoot) {
  DataOptions options;
  options.root = "/somewhere";
  for (const auto& entry : datasets()) {
    EXPECT_FALSE(entry.summary.empty());
    EXPECT_NE(entry.describe(options).find("/somewhere"), std::string::npos);
    test::expect_error([&] { entry.read({}, Split::test, "x"); }, "data.root is not set");
  }
}

TEST(Manifest, Utf8IsCheckedInFull) {
  for (const char* good : {"", "abc", "\u00e9", "\u20ac", "\xF0\x9F\x98\x80", "\xED\x9F\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\xFF", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xF0\x80\x80\x80", "a\x80", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace vtr::data
