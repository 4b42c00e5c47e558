#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/data/manifest.h"

#include <gtest/gtest.h>

namespace vtr::data {
namespace {

struct Folder {
  Folder() {
    for (const char* name : {"a.mp4", "sub/b.avi", "c.mp4"}) dir.write(name, "x");
    options.dataset = "jsonl";
    options.root = dir.path().string();
    options.train = "train";
    options.test = "test";
  }
  Manifest read(const std::string& text, Split split = Split::train) const {
    dir.write("data.jsonl", text);
    return read_split(options, split, 0);
  }
  void expect_error(const std::string& text, const std::string& part) const {
    test::expect_error([&] { read(text); }, part);
  }
  test::TempDir dir;
  DataOptions options;
};

constexpr const char* kLines =
    "{\"video\": \"a.mp4\", \"captions\": [\"one\", \"two\"], \"split\": \"train\", \"id\": "
    "\"A\"}\n\n"
    "{\"video\": \"sub/b.avi\", \"caption\": \"three\", \"split\": \"test\"}\n"
    "{\"video\": \"c.mp4\", \"caption\": \"four\", \"split\": \"train\"}\n";

TEST(Jsonl, LinesAreChosenBySplit) {
  const Folder folder;
  const Manifest train = folder.read(kLines);
  ASSERT_EQ(train.videos.size(), 2u);
  EXPECT_EQ(train.videos[0].id, "A");
  EXPECT_EQ(train.videos[0].captions, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(train.videos[1].id, "c.mp4");
  const Manifest test = folder.read(kLines, Split::test);
  ASSERT_EQ(test.videos.size(), 1u);
  EXPECT_EQ(test.videos[0].path, folder.dir / "sub/b.avi");
}

TEST(Jsonl, ASplitMayBeAFile) {
  Folder folder;
  folder.dir.write("train.jsonl", "{\"video\": \"b.avi\", \"caption\": \"x\"}\n");
  folder.options.train = "train.jsonl";
  folder.options.videos = "sub";
  EXPECT_EQ(folder.read("").videos[0].path, folder.dir / "sub/b.avi");
}

TEST(Jsonl, SkippingIsAdvisedOnlyWhereVideosAreLeft) {
  Folder folder;
  const auto message = [&] { return test::error_of([&] { folder.read(kLines); }); };
  const std::string advice = "data.on_error=skip";
  fs::remove(folder.dir / "c.mp4");
  EXPECT_NE(message().find(advice), std::string::npos) << message();
  fs::remove(folder.dir / "a.mp4");
  for (const std::string on_error : {"stop", "skip"}) {
    folder.options.on_error = on_error;
    EXPECT_NE(message().find("2 of 2 video files are missing"), std::string::npos) << message();
    EXPECT_EQ(message().find(advice), std::string::npos) << message();
  }
}

TEST(Jsonl, FaultsAreNamedByLine) {
  const Folder folder;
  const std::string good = "{\"video\": \"a.mp4\", \"caption\": \"x\", \"split\": \"train\"}\n";
  folder.expect_error(good + "{\"video\": \n", "data.jsonl:2: parse error at line 1, column 11");
  folder.expect_error(good + "[1]\n", "data.jsonl:2: an object is needed");
  folder.expect_error("{\"caption\": \"x\"}\n", "data.jsonl:1: no field \"video\"");
  folder.expect_error("{\"video\": \"a.mp4\"}\n", "data.jsonl:1: no field \"captions\"");
  folder.expect_error("{\"video\": \"a.mp4\", \"captions\": []}\n", "data.jsonl:1: no captions");
  folder.expect_error("{\"video\": \"a.mp4\", \"captions\": [1]}\n",
                      "holds something that is not a string");
  folder.expect_error("{\"video\": \"a.mp4\", \"captions\": \"x\"}\n",
                      "\"captions\" is not a list");
  folder.expect_error("{\"video\": \"a.mp4\", \"caption\": \"x\", \"captions\": []}\n", "both");
  folder.expect_error("{\"video\": \"a.mp4\", \"caption\": \"\"}\n",
                      "data.jsonl:1: the caption is empty");
  folder.expect_error("{\"video\": \"a.mp4\", \"caption\": \"x\"}\n",
                      "data.jsonl:1: no field \"split\"");
  folder.expect_error("{\"video\": \"../a.mp4\", \"caption\": \"x\"}\n", "leaves the folder");
  folder.expect_error("{\"video\": \"/etc/passwd\", \"caption\": \"x\"}\n", "leaves the folder");
  folder.expect_error("{\"video\": \"a.mp4\", \"caption\": \"\xFF\"}\n",
                      "data.jsonl:1: parse error");
  folder.expect_error(good + good, "data.jsonl:2: id 'a.mp4' is there twice");
}

TEST(Jsonl, AnUnknownSplitNamesThoseThereAre) {
  Folder folder;
  folder.options.train = "9k";
  folder.expect_error(kLines, "no line has \"split\": \"9k\" (there are: test, train)");
  fs::remove(folder.dir / "data.jsonl");
  test::expect_error([&] { read_split(folder.options, Split::train, 0); },
                     "has neither a file 9k nor data.jsonl");
}

}  // namespace
}  // namespace vtr::data
