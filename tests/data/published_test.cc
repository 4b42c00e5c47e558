// LSMDC, MSVD, DiDeMo, ActivityNet and VATEX from small files in their true forms.
#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/core/hash.h"
#include "vtr/data/manifest.h"

#include <gtest/gtest.h>

namespace vtr::data {
namespace {

using Texts = std::vector<std::string>;

struct Folder {
  explicit Folder(const std::string& dataset) {
    options.dataset = dataset;
    options.root = dir.path().string();
    options.test = "test";
    fs::create_directory(dir / "videos");
  }
  Manifest read(const std::string& split) {
    options.test = split;
    return read_annotations(options, Split::test, 0);
  }
  void expect_error(const std::string& split, const std::string& part) {
    test::expect_error([&] { read(split); }, part);
  }
  test::TempDir dir;
  DataOptions options;
};

constexpr const char* kTest = "LSMDC16_challenge_1000_publictect.csv";

std::string row(const std::string& clip, const std::string& sentence) {
  return clip + "\t00.01\t00.02\t00.01\t00.02\t" + sentence + "\n";
}

TEST(Lsmdc, ClipsLieInTheirFilmsFolderOrAnywhere) {
  Folder folder("lsmdc");
  const std::string a = "0001_American_Beauty_00.00.51.926-00.00.54.129";
  const std::string b = "3086_UGLY_TRUTH_00.23.23.000-00.23.28.886";
  folder.dir.write("LSMDC16_annos_val.csv",
                   row(a, "SOMEONE sits.") + row(b, "He's up.\r") + row("9_X_00.1", "Gone."));
  folder.dir.write("videos/0001_American_Beauty/" + a + ".avi", "x");
  folder.dir.write("videos/" + b + ".mp4", "x");
  const Manifest val = folder.read("val");
  ASSERT_EQ(val.videos.size(), 3u);
  EXPECT_EQ(val.name, "lsmdc val");
  EXPECT_EQ(val.videos[0].id, a);
  EXPECT_EQ(val.videos[0].path, folder.dir / ("videos/0001_American_Beauty/" + a + ".avi"));
  EXPECT_EQ(val.videos[1].path, folder.dir / ("videos/" + b + ".mp4"));
  EXPECT_EQ(val.videos[1].captions, Texts{"He's up."});
  EXPECT_EQ(val.videos[2].path, folder.dir / "videos/9_X/9_X_00.1.avi") << "where it would be";
}

TEST(Lsmdc, TheTestFileIsFoundUnderBothSpellings) {
  Folder folder("lsmdc");
  folder.expect_error("test",
                      "LSMDC16_challenge_1000_publictect.csv; or LSMDC16_challenge_1000_"
                      "publictest.csv; or lsmdc_test.json");
  folder.dir.write("LSMDC16_challenge_1000_publictest.csv", row("right", "a"));
  EXPECT_EQ(folder.read("test").videos[0].id, "right");
  folder.dir.write(kTest, row("wrong", "a"));
  EXPECT_EQ(folder.read("test").videos[0].id, "wrong");
}

TEST(Lsmdc, TheBadClipIsLeftOutByNameAndRepeatedClipsKeepEveryRow) {
  Folder folder("lsmdc");
  const std::string bad = "1012_Unbreakable_00.05.16.065-00.05.21.941";
  folder.dir.write(
      "LSMDC16_annos_training.csv",
      row("A_00.1", "one") + row(bad, "two") + row("B_00.1", "three") + row("A_00.1", "four"));
  const Manifest train = folder.read("train");
  ASSERT_EQ(train.videos.size(), 2u);
  EXPECT_EQ(train.videos[0].captions, (Texts{"one", "four"}));
  EXPECT_EQ(train.notes, (Texts{bad + ": left out, its file has no picture",
                                "1 clips stand in several rows: videos with several captions"}));
}

TEST(Lsmdc, QuotedRowsAndStansFormAreReadTheSame) {
  Folder folder("lsmdc");
  folder.dir.write(kTest, "\"" + row("A_00.1", "it is\""));
  const Manifest quoted = folder.read("test");
  EXPECT_EQ(quoted.videos[0].id, "A_00.1");
  EXPECT_EQ(quoted.videos[0].captions, Texts{"it is"});
  fs::remove(folder.dir / kTest);
  folder.dir.write("lsmdc_test.json", R"({"A/A_00.1.avi": ["it is"]})");
  const Manifest stan = folder.read("test");
  EXPECT_EQ(stan.videos[0].id, quoted.videos[0].id);
  EXPECT_EQ(stan.videos[0].captions, quoted.videos[0].captions);
}

TEST(Lsmdc, BrokenRowsAreNamedByLine) {
  Folder folder("lsmdc");
  folder.dir.write(kTest, row("A", "a") + "B\tb\n");
  folder.expect_error("test", "publictect.csv:2: 2 fields, and 6 separated by tabs are needed");
  folder.dir.write(kTest, row("", "a"));
  folder.expect_error("test", "publictect.csv:1: the clip has no name");
  folder.dir.write(kTest, row("../../../etc/passwd", "a"));
  folder.expect_error("test", "publictect.csv:1: the path '../../../etc/passwd' leaves");
  folder.expect_error("dev", "split 'dev': no dev in ");
}

TEST(Msvd, EveryCaptionCountsAndRawCaptionsAreWords) {
  Folder folder("msvd");
  folder.dir.write("test_list.txt", "b_1_2\r\na_3_4\n");
  folder.dir.write("captions_msvd.json", R"({"a_3_4": ["x", "y"], "b_1_2": ["z"], "c": ["w"]})");
  folder.dir.write("videos/a_3_4.avi", "x");
  const Manifest test = folder.read("test");
  ASSERT_EQ(test.videos.size(), 2u);
  EXPECT_EQ(test.videos[0].id, "b_1_2");
  EXPECT_EQ(test.videos[1].captions, (Texts{"x", "y"}));
  EXPECT_EQ(test.videos[1].path, folder.dir / "videos/a_3_4.avi");
  EXPECT_EQ(test.captions(), 3);
  fs::remove(folder.dir / "captions_msvd.json");
  folder.dir.write("raw-captions.pkl", "x");
  folder.expect_error("test", "scripts/pickle_to_json.py");
  folder.dir.write("raw-captions.json", R"({"a_3_4": [["x", "1"]], "b_1_2": [["z"]]})");
  EXPECT_EQ(folder.read("test").videos[1].captions, Texts{"x 1"});
}

TEST(Didemo, AVideosDescriptionsAreOneTextOfItsFirstHalfMinute) {
  Folder folder("didemo");
  folder.dir.write("test_data.json", R"([
      {"annotation_id": 1, "video": "1@N0_a.mov", "description": "a dog ", "times": [[0, 0]]},
      {"annotation_id": 2, "video": "2@N0_b.avi", "description": "rain"},
      {"annotation_id": 3, "video": "1@N0_a.mov", "description": " it runs"}])");
  folder.dir.write("videos/1@N0_a.mov.mp4", "x");
  const Manifest test = folder.read("test");
  ASSERT_EQ(test.videos.size(), 2u);
  EXPECT_EQ(test.videos[0].captions, Texts{"a dog it runs"});
  EXPECT_EQ(test.videos[0].path, folder.dir / "videos/1@N0_a.mov.mp4");
  EXPECT_EQ(test.videos[0].start, 0);
  EXPECT_EQ(test.videos[0].end, 30);
}

TEST(ActivityNet, SentencesAreOneParagraphAndPrefixesMayDiffer) {
  Folder folder("activitynet");
  folder.dir.write("captions/val_1.json", R"({
      "v_zz": {"duration": 9.5, "timestamps": [[0, 4.1], [4, 9]],
               "sentences": ["A man stands.", " He jumps. "]},
      "v_aa": {"duration": 3, "timestamps": [[0, 3]], "sentences": ["Rain."]}})");
  folder.dir.write("videos/zz.mkv", "x");
  const Manifest val = folder.read("val1");
  ASSERT_EQ(val.videos.size(), 2u);
  EXPECT_EQ(val.videos[0].id, "v_zz") << "in the file's order";
  EXPECT_EQ(val.videos[0].captions, Texts{"A man stands. He jumps."});
  EXPECT_EQ(val.videos[0].path, folder.dir / "videos/zz.mkv");
  EXPECT_EQ(val.videos[0].end, 0);
}

TEST(Vatex, AClipIsItsOwnFileOrAPartOfTheWholeVideo) {
  Folder folder("vatex");
  folder.dir.write("vatex_training_v1.0.json", R"([
      {"videoID": "a-_b_000010_000020", "enCap": ["x", "y"], "chCap": ["z"]},
      {"videoID": "c_000003_000013", "enCap": ["w"], "chCap": []}])");
  folder.dir.write("videos/a-_b_000010_000020.mp4", "x");
  folder.dir.write("videos/c.webm", "x");
  const Manifest train = folder.read("train");
  ASSERT_EQ(train.videos.size(), 2u);
  EXPECT_EQ(train.videos[0].captions, (Texts{"x", "y"}));
  EXPECT_EQ(train.videos[0].path, folder.dir / "videos/a-_b_000010_000020.mp4");
  EXPECT_EQ(train.videos[0].end, 0);
  EXPECT_EQ(train.videos[1].path, folder.dir / "videos/c.webm");
  EXPECT_EQ(train.videos[1].start, 3);
  EXPECT_EQ(train.videos[1].end, 13);
}

TEST(Vatex, ListsTakeTheirCaptionsFromWhicheverFileHasThem) {
  Folder folder("vatex");
  folder.dir.write("test_list.txt", "b\na\n");
  folder.dir.write("vatex_validation_v1.0.json", R"([{"videoID": "a", "enCap": ["x"]}])");
  folder.expect_error("test", "test_list.txt:1: no caption of 'b' in vatex_validation_v1.0.json");
  folder.dir.write("vatex_training_v1.0.json", R"([{"videoID": "b", "enCap": ["y"]}])");
  const Manifest test = folder.read("test");
  EXPECT_EQ(test.videos[0].captions, Texts{"y"});
  EXPECT_EQ(test.sources.size(), 3u);
}

TEST(Published, ListsThatAreKnownAreToldFromOthersByMd5) {
  Folder folder("msrvtt");
  folder.dir.write("MSRVTT_JSFUSION_test.csv", "video_id,sentence\nvideo1,rain\n");
  const Manifest test = folder.read("1k-A");
  ASSERT_EQ(test.sources.size(), 1u);
  EXPECT_EQ(test.sources[0].md5, "d267e8858d6490c452eaaf5f62f7b8a9");
  EXPECT_EQ(test.sources[0].published, "612aec578f1324a550ecc552b3bdbf6c");
  EXPECT_TRUE(test.sources[0].differs());
}

TEST(Published, AByteOrderMarkIsNoPartOfAnId) {
  const std::string mark = "\xEF\xBB\xBF";
  Folder lsmdc("lsmdc");
  lsmdc.dir.write(kTest, mark + row("A_00.1", "it is"));
  EXPECT_EQ(lsmdc.read("test").videos[0].id, "A_00.1");
  Folder msvd("msvd");
  msvd.dir.write("test_list.txt", mark + "b_1_2\n");
  msvd.dir.write("captions_msvd.json", mark + R"({"b_1_2": ["z"]})");
  EXPECT_EQ(msvd.read("test").videos[0].id, "b_1_2");
  Folder msrvtt("msrvtt");
  const std::string list = mark + "video_id,sentence\nvideo1,rain\n";
  msrvtt.dir.write("MSRVTT_JSFUSION_test.csv", list);
  const Manifest test = msrvtt.read("1k-A");
  EXPECT_EQ(test.videos[0].id, "video1");
  EXPECT_EQ(test.sources[0].md5, md5(list)) << "of the file as it is";
}

TEST(Published, OfFilesOfOneNameTheBetterFormIsTakenAndLinksAreFollowed) {
  Folder folder("msrvtt");
  folder.dir.write("MSRVTT_JSFUSION_test.csv", "video_id,sentence\nvideo1,rain\nvideo2,x\n");
  folder.dir.write("videos/a/video1.webm", "x");
  folder.dir.write("videos/b/video1.MP4", "x");
  folder.dir.write("elsewhere/video2.mp4", "x");
  fs::create_directory_symlink(folder.dir / "elsewhere", folder.dir / "videos/c");
  fs::create_directory_symlink(folder.dir / "videos", folder.dir / "videos/loop");
  const Manifest test = folder.read("1k-A");
  EXPECT_EQ(test.videos[0].path, folder.dir / "videos/b/video1.MP4");
  EXPECT_EQ(test.videos[1].path, folder.dir / "videos/c/video2.mp4");
}

TEST(Published, ANameThatIsThereTwiceIsRefused) {
  Folder folder("msvd");
  folder.dir.write("train_list.txt", "a\na\n");
  folder.expect_error("train", "train_list.txt:2: 'a' is there twice");
  folder.dir.write("mine.json", R"({"a": ["x"], "a": ["y"]})");
  folder.expect_error("mine.json", "mine.json: a name is there twice");
  folder.dir.write("mine.json", R"({"a.mp4": ["x"], "a.avi": ["y"]})");
  folder.expect_error("mine.json", "mine.json: \"a.avi\": 'a' is there twice");
}

}  // namespace
}  // namespace vtr::data
