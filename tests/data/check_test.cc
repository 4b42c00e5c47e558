#include "vtr/data/check.h"

#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tiny_video.h"

#include <gtest/gtest.h>

namespace vtr::data {
namespace {

// Videos 0 to 5 with a caption each: 0 to 3 train, 4 and 5 test.
struct Folder {
  Folder() {
    std::string lines;
    for (int i = 0; i < 6; ++i) {
      test::write_tiny_video(file(i));
      lines += fmt::format("{{\"video\": \"{}.mp4\", \"caption\": \"x\", \"split\": \"{}\"}}\n", i,
                           i < 4 ? "train" : "test");
    }
    dir.write("data.jsonl", lines);
    options.dataset = "jsonl";
    options.root = dir.path().string();
    options.train = "train";
    options.test = "test";
    options.workers = 2;
    video.frames = 4;
  }
  fs::path file(int i) const { return dir / fmt::format("{}.mp4", i); }
  CheckReport run(CheckDepth depth = CheckDepth::open) const {
    return check(options, video, {.depth = depth});
  }
  test::TempDir dir;
  DataOptions options;
  video::VideoOptions video;
};

TEST(Check, SoundSplitsAreCounted) {
  const Folder folder;
  int64_t seen = 0;
  const auto report = check(folder.options, folder.video,
                            {.depth = CheckDepth::decode, .progress = [&](int64_t) { ++seen; }});
  EXPECT_EQ(seen, 6);
  EXPECT_FALSE(report.shrinks());
  EXPECT_TRUE(report.problems.empty());
  ASSERT_EQ(report.splits.size(), 2u) << "no validation split";
  EXPECT_EQ(report.splits[0].videos, 4);
  EXPECT_EQ(report.splits[1].captions, 2);
  EXPECT_EQ(report.splits[1].fewest, 1);
  EXPECT_EQ(report.splits[1].most, 1);
  ASSERT_EQ(report.splits[0].sources.size(), 1u);
  EXPECT_EQ(report.splits[0].sources[0].published, "");
}

TEST(Check, EachBrokenFileHasItsReason) {
  const Folder folder;
  fs::remove(folder.file(0));
  fs::resize_file(folder.file(1), 0);
  folder.dir.write("4.mp4", "this is text");
  const auto report = folder.run();
  EXPECT_TRUE(report.shrinks());
  ASSERT_EQ(report.problems.size(), 3u);
  EXPECT_EQ(report.problems[0].reason, "missing");
  EXPECT_EQ(report.problems[0].path, folder.file(0));
  EXPECT_EQ(report.problems[1].reason, "empty");
  EXPECT_EQ(report.problems[2].reason, "unreadable");
  EXPECT_EQ(report.problems[2].split, "test");
  EXPECT_EQ(report.splits[0].unusable, 2);
  EXPECT_EQ(report.splits[1].unusable, 1);
  const auto quick = folder.run(CheckDepth::files);
  EXPECT_EQ(quick.problems.size(), 2u);
}

// The pictures' bytes are overwritten, the file's own description is left.
TEST(Check, DamageIsToldWhenEverythingIsDecoded) {
  const Folder folder;
  std::string bytes = read_file(folder.file(2));
  const size_t pictures = bytes.find("mdat") + 4;
  for (size_t i = pictures + 900; i < pictures + 1000; ++i) bytes[i] = static_cast<char>(~bytes[i]);
  folder.dir.write("2.mp4", bytes);
  EXPECT_TRUE(folder.run().problems.empty());
  const auto report = folder.run(CheckDepth::decode);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].reason, "damaged");
  EXPECT_EQ(report.problems[0].path, folder.file(2));
  EXPECT_FALSE(report.shrinks());
  const auto strict =
      check(folder.options, folder.video, {.depth = CheckDepth::decode, .strict = true});
  EXPECT_TRUE(strict.shrinks());
  EXPECT_EQ(strict.fix_list(), "2.mp4\tdamaged\n");
}

TEST(Check, AFileThatStatesNoFrameRateIsTold) {
  const Folder folder;
  fs::copy_file(VTR_FIXTURES "/video/golden/no_rate.mkv", folder.file(3),
                fs::copy_options::overwrite_existing);
  const auto report = folder.run();
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].reason, "zero fps");
  EXPECT_EQ(report.problems[0].path, folder.file(3));
  EXPECT_EQ(report.problems[1].reason, "short");
  EXPECT_FALSE(report.shrinks());
}

TEST(Check, APartBeyondTheEndIsOfNoUse) {
  Folder folder;
  folder.dir.write("data.jsonl",
                   "{\"video\": \"0.mp4\", \"caption\": \"x\", \"split\": \"train\"}\n"
                   "{\"video\": \"1.mp4\", \"id\": \"#late\", \"caption\": \"x\", \"split\": "
                   "\"train\", \"start\": 100, \"end\": 101}\n");
  folder.options.test = "train";
  const auto report = folder.run();
  EXPECT_TRUE(report.shrinks());
  ASSERT_FALSE(report.problems.empty());
  EXPECT_EQ(report.problems[0].reason, "no frames");
  folder.dir.write("skip.txt", "# a remark\n" + report.fix_list());
  folder.options.skip_list = (folder.dir / "skip.txt").string();
  EXPECT_FALSE(folder.run().shrinks()) << "an id may begin with #";
}

TEST(Check, TheFixListLeavesOutWhatCannotBeUsedAndIsCounted) {
  Folder folder;
  fs::remove(folder.file(2));
  fs::remove(folder.file(5));
  const auto report = folder.run();
  EXPECT_EQ(report.fix_list(), "2.mp4\tmissing\n5.mp4\tmissing\n");
  folder.options.skip_list = folder.dir.write("skip.txt", report.fix_list()).string();
  const auto fixed = folder.run();
  EXPECT_FALSE(fixed.shrinks());
  EXPECT_EQ(fixed.splits[0].skipped, 1);
  EXPECT_EQ(fixed.splits[1].skipped, 1);
  const Manifest test = read_split(folder.options, Split::test, 0);
  EXPECT_EQ(test.videos.size(), 1u);
  EXPECT_EQ(test.skipped, std::vector<std::string>{"5.mp4"});
}

TEST(Check, AFixListKeepsWhatWasListedBefore) {
  Folder folder;
  folder.options.skip_list = folder.dir.write("skip.txt", "5.mp4\tmissing\n").string();
  fs::remove(folder.file(2));
  EXPECT_EQ(folder.run().fix_list(), "5.mp4\tlisted before\n2.mp4\tmissing\n");
}

TEST(Check, AListedIdThatNoSplitHasIsTold) {
  Folder folder;
  folder.options.skip_list = folder.dir.write("skip.txt", "5.mp4\nmisspelt\n").string();
  EXPECT_EQ(folder.run().unknown, std::vector<std::string>{"misspelt"});
}

TEST(Check, ADigestIsOfTheVideosTheirPartsAndCaptions) {
  const Manifest one = {"a", {{"v", "v.mp4", {"x", "yz"}}, {"w", "w.mp4", {"x"}}}};
  Manifest other = one;
  other.name = "b";
  other.videos[0].path = "elsewhere/v.avi";
  EXPECT_EQ(other.sha256(), one.sha256());
  const auto differs = [&](auto change) {
    Manifest changed = one;
    change(changed.videos);
    return changed.sha256() != one.sha256();
  };
  EXPECT_TRUE(differs([](auto& videos) { std::swap(videos[0], videos[1]); }));
  EXPECT_TRUE(differs([](auto& videos) { videos.pop_back(); }));
  EXPECT_TRUE(differs([](auto& videos) { videos[0].captions = {"xy", "z"}; }));
  EXPECT_TRUE(differs([](auto& videos) { videos[1].end = 1; }));
}

TEST(Check, ShortVideosAreToldAndDoNotShrinkASplit) {
  Folder folder;
  folder.video.frames = 9;
  const auto report = folder.run();
  ASSERT_EQ(report.problems.size(), 6u);
  EXPECT_EQ(report.problems[0].reason, "short");
  EXPECT_NE(report.problems[0].message.find("8 frames, and video.frames is 9"), std::string::npos);
  EXPECT_FALSE(report.shrinks());
}

TEST(Check, AVideoInTwoSplitsIsTold) {
  Folder folder;
  folder.dir.write("other.jsonl",
                   "{\"video\": \"1.mp4\", \"caption\": \"x\"}\n"
                   "{\"video\": \"2.mp4\", \"caption\": \"x\", \"id\": \"another\"}\n");
  folder.options.test = "other.jsonl";
  const auto report = folder.run();
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].reason, "in two splits");
  EXPECT_EQ(report.problems[0].message, "1.mp4: is in train too");
  EXPECT_EQ(report.problems[1].reason, "file in two splits");
  EXPECT_FALSE(report.shrinks());
}

TEST(Check, ASplitWhoseAnnotationsCannotBeReadDoesNotHideTheOthers) {
  Folder folder;
  folder.options.test = "tset";
  fs::remove(folder.file(0));
  const auto report = folder.run();
  ASSERT_EQ(report.splits.size(), 2u);
  EXPECT_NE(report.splits[1].error.find("no line has \"split\": \"tset\""), std::string::npos);
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_TRUE(report.shrinks());
  folder.options.root = (folder.dir / "none").string();
  test::expect_error([&] { folder.run(); }, "none is not a folder");
}

TEST(Check, ACarvedValidationSplitIsTheSameWithASkipList) {
  Folder folder;
  folder.options.val_fraction = 0.5;
  const auto before = read_split(folder.options, Split::val, 3).videos;
  folder.options.skip_list = folder.dir.write("skip.txt", before[0].id + "\tmissing\r\n").string();
  const auto after = read_split(folder.options, Split::val, 3);
  ASSERT_EQ(after.videos.size(), 1u);
  EXPECT_EQ(after.videos[0].id, before[1].id);
  EXPECT_EQ(after.skipped, std::vector<std::string>{before[0].id});
  EXPECT_TRUE(read_split(folder.options, Split::train, 3).skipped.empty());
  folder.options.skip_list = (folder.dir / "none").string();
  test::expect_error([&] { read_split(folder.options, Split::val, 3); }, "none: no such file");
  folder.options.skip_list = folder.dir.write("all.txt", "# both\n4.mp4\n5.mp4\n").string();
  test::expect_error([&] { read_split(folder.options, Split::test, 3); },
                     "data.skip_list leaves none of its 2 videos");
}

}  // namespace
}  // namespace vtr::data
