#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/data/manifest.h"

#include <gtest/gtest.h>

namespace vtr::data {
namespace {

// Three training videos and two test videos, as MSR-VTT's files have them.
struct Folder {
  Folder() {
    write_captions(R"({"caption": "a dog, running", "video_id": "video0", "sen_id": 0},
                      {"caption": "a cat", "video_id": "video2", "sen_id": 1},
                      {"caption": "a \u00e9tude", "video_id": "video0", "sen_id": 2},
                      {"caption": "rain", "video_id": "video1", "sen_id": 3})");
    dir.write("MSRVTT_train.9k.csv", "video_id\nvideo0\nvideo1\nvideo2\n");
    dir.write("MSRVTT_train.7k.csv", "video_id\nvideo2\n");
    dir.write("MSRVTT_JSFUSION_test.csv",
              "key,vid_key,video_id,sentence\nret0,msr8,video8,\"a man, \"\"walking\"\"\"\n"
              "ret1,msr7,video7,a car\n");
    for (const char* name :
         {"video0.mp4", "video1.webm", "video2.avi", "video7.mkv", "video8.mp4"}) {
      dir.write(std::string("videos/all/") + name, "x");
    }
    options.root = dir.path().string();
  }
  void write_captions(const std::string& sentences) {
    dir.write("MSRVTT_data.json", R"({"videos": [{"video_id": "video0"}, {"video_id": "video1"},
        {"video_id": "video2"}, {"video_id": "video3"}], "sentences": [)" +
                                      sentences + "]}");
  }
  Manifest read(Split split = Split::train) const { return read_split(options, split, 0); }
  void expect_error(const std::string& part, Split split = Split::train) const {
    test::expect_error([&] { read(split); }, part);
  }
  test::TempDir dir;
  DataOptions options;
};

TEST(Msrvtt, TrainingVideosHaveAllTheirCaptions) {
  const Folder folder;
  const Manifest train = folder.read();
  ASSERT_EQ(train.videos.size(), 3u);
  EXPECT_EQ(train.videos[0].id, "video0");
  EXPECT_EQ(train.videos[0].captions, (std::vector<std::string>{"a dog, running", "a \u00e9tude"}));
  EXPECT_EQ(train.videos[0].path, folder.dir / "videos/all/video0.mp4");
  EXPECT_EQ(train.videos[1].path, folder.dir / "videos/all/video1.webm");
  EXPECT_EQ(train.captions(), 4);
  EXPECT_EQ(train.name, "msrvtt 9k");
}

TEST(Msrvtt, TheTestSetHasACaptionAVideo) {
  const Manifest test = Folder().read(Split::test);
  ASSERT_EQ(test.videos.size(), 2u);
  EXPECT_EQ(test.videos[0].id, "video8");
  EXPECT_EQ(test.videos[0].captions, (std::vector<std::string>{"a man, \"walking\""}));
}

TEST(Msrvtt, SplitsMayBeFilesOfIdsOrOfSentences) {
  Folder folder;
  folder.options.train = "7k";
  EXPECT_EQ(folder.read().videos[0].id, "video2");
  folder.dir.write("lists/mine.csv", "video_id\nvideo1\n");
  folder.options.train = "lists/mine.csv";
  EXPECT_EQ(folder.read().videos[0].captions, (std::vector<std::string>{"rain"}));
  folder.dir.write("told.csv", "sentence,video_id\nbirds,video0\nplanes,video0\n");
  folder.options.val = "told.csv";
  const Manifest val = folder.read(Split::val);
  ASSERT_EQ(val.videos.size(), 1u);
  EXPECT_EQ(val.videos[0].captions, (std::vector<std::string>{"birds", "planes"}));
}

TEST(Msrvtt, AnnotationsAndVideosMayLieInTheUsualFolders) {
  Folder folder;
  fs::create_directory(folder.dir / "annotation");
  for (const char* name : {"MSRVTT_data.json", "MSRVTT_train.9k.csv"}) {
    fs::rename(folder.dir / name, folder.dir / "annotation" / name);
  }
  fs::rename(folder.dir / "videos/all", folder.dir / "elsewhere");
  folder.options.videos = "elsewhere";
  EXPECT_EQ(folder.read().videos[0].path, folder.dir / "elsewhere/video0.mp4");
  folder.options.videos = (folder.dir / "elsewhere").string();
  EXPECT_EQ(folder.read().videos.size(), 3u);
}

TEST(Msrvtt, MissingPlacesAreNamed) {
  Folder folder;
  folder.options.train = "8k";
  folder.expect_error("split '8k': no 8k in " + folder.options.root +
                      " (and it is no protocol: 9k");
  folder.options.train = "9k";
  fs::remove(folder.dir / "MSRVTT_data.json");
  folder.expect_error(
      "data.root: no MSRVTT_data.json nor MSR_VTT.json nor mult_h5.json nor *_titles.json in " +
      folder.options.root + " (looked there");
  folder.options.videos = "nowhere";
  folder.expect_error("data.videos: nowhere is not a folder");
  folder.options.root = (folder.dir / "none").string();
  folder.expect_error("data.root: " + folder.options.root + " is not a folder");
  folder.options.root.clear();
  folder.expect_error("data.root is not set");
}

TEST(Msrvtt, AFolderWithoutVideosIsNamed) {
  Folder folder;
  fs::remove_all(folder.dir / "videos");
  folder.expect_error("has no folder of videos (looked for videos/all");
}

TEST(Msrvtt, BrokenAnnotationsAreNamedByPlace) {
  Folder folder;
  folder.write_captions(R"({"caption": "a", "video_id": "video0"}, {"caption": "b")");
  folder.expect_error("MSRVTT_data.json: parse error at line 2, column");
  folder.write_captions(R"({"caption": "a", "video_id": "video0"}, {"caption": "b"})");
  folder.expect_error("sentences[1]: no field \"video_id\"");
  folder.write_captions(R"({"caption": 7, "video_id": "video0"})");
  folder.expect_error("sentences[0]: \"caption\" is not a string");
  folder.write_captions(R"({"caption": " ", "video_id": "video0"})");
  folder.expect_error("sentences[0]: the caption is empty");
  folder.write_captions(R"({"caption": "a", "video_id": "video9"})");
  folder.expect_error("sentences[0]: no such video");
  folder.write_captions("{\"caption\": \"a\xFF\", \"video_id\": \"video0\"}");
  folder.expect_error("ill-formed UTF-8");
  folder.dir.write("MSRVTT_data.json", R"({"videos": [{"video_id": "a"}, {"video_id": "a"}]})");
  folder.expect_error("videos[1]: video_id 'a' is there twice");
  folder.dir.write("MSRVTT_data.json", "7");
  folder.expect_error("an object is needed");
}

TEST(Msrvtt, BrokenListsAreNamedByLine) {
  Folder folder;
  const auto train = [&](const std::string& text, const std::string& part) {
    folder.dir.write("MSRVTT_train.9k.csv", text);
    folder.expect_error(part);
  };
  train("video_id\nvideo0\nvideo0\n", "9k.csv:3: video_id 'video0' is there twice");
  train("video_id\nvideo77\n", "9k.csv:2: no caption of 'video77' in MSRVTT_data.json");
  train("video_id\nvideo3\n", "9k.csv:2: no caption of 'video3' in MSRVTT_data.json");
  train("id\nvideo0\n", "the header has no column video_id");
  train("video_id\n", "msrvtt 9k: the split has no videos");
  folder.dir.write("told.csv", "video_id,sentence\n../../etc/passwd,a\n");
  folder.options.train = "told.csv";
  folder.expect_error("told.csv:2: the path '../../etc/passwd' leaves the folder");
  folder.dir.write("told.csv", "video_id,sentence\nvideo0,\"\xC3(\"\n");
  folder.expect_error("told.csv:2: the caption is not UTF-8");
  folder.dir.write("told.csv", "video_id,sentence\nvideo0,a\nvideo0,a\n");
  folder.expect_error("told.csv:3: video_id 'video0' is there twice");
  folder.options.train = "../told.csv";
  folder.expect_error("leaves the folder");
}

}  // namespace
}  // namespace vtr::data
