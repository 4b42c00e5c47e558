#include "vtr/data/frame_store.h"

#include "support/error_of.h"
#include "support/fake_tokenizer.h"
#include "support/files_of.h"
#include "support/temp_dir.h"

#include "vtr/core/log.h"
#include "vtr/data/loader.h"
#include "vtr/video/writer.h"

#include <gtest/gtest.h>

namespace vtr::data {
namespace {

// A video of `frames` frames, each with its own gradients.
void write_video(const fs::path& path, int64_t frames, int64_t width, int64_t height) {
  video::Writer writer(path, {.width = width, .height = height, .fps = 10});
  std::vector<uint8_t> rgb(static_cast<size_t>(width * height * 3));
  for (int64_t f = 0; f < frames; ++f) {
    for (int64_t i = 0; i < width * height * 3; ++i) {
      rgb[static_cast<size_t>(i)] =
          static_cast<uint8_t>(i / 3 % width * 4 + i / 3 / width * (i % 3) + 9 * f);
    }
    writer.add(rgb.data());
  }
  writer.close();
}

// Five videos of 7, 12, 17, 22 and 27 frames.
struct FrameStoreTest : testing::Test {
  static void SetUpTestSuite() {
    videos = new test::TempDir;
    for (int v = 0; v < 5; ++v)
      write_video(*videos / fmt::format("v{}.mp4", v), 7 + 5 * v, v == 3 ? 36 : 48, 36 + 4 * v);
    videos->write("text.mp4", "no video");
  }
  static void TearDownTestSuite() { delete videos; }

  FrameStoreTest() {
    for (int v = 0; v < 5; ++v)
      manifest.videos.push_back(
          {fmt::format("v{}", v), *videos / fmt::format("v{}.mp4", v), {"a"}});
    settings.video.frames = 4;
    settings.resolution = 16;
    settings.data.workers = 2;
    options.shard_mb = 2 * 4 * 3 * 16 * 16 / 1e6;  // two videos of four frames
    log::set_level("error");
  }
  Packed pack_into(const fs::path& out) const {
    return pack(
        {{manifest, settings.request(Split::train)}, {manifest, settings.request(Split::test)}},
        options, settings.data, out, [](int64_t, int64_t) {});
  }
  void pack_and_use() {
    pack_into(store());
    open();
  }
  void open(bool verify = true) { settings.store = std::make_shared<FrameStore>(store(), verify); }
  fs::path store() const { return dir / "store"; }
  VideoBatch evaluated() const {
    VideoLoader loader(manifest, settings, 5);
    return *loader.next();
  }
  Batch trained() const {
    TrainLoader loader(manifest, tokenizer, settings, 5, 0);
    return loader.next();
  }

  static inline test::TempDir* videos = nullptr;
  test::TempDir dir;
  Manifest manifest{"tiny", {}};
  LoaderSettings settings;
  PackOptions options;
  test::FakeTokenizer tokenizer;
};

TEST_F(FrameStoreTest, RawFramesAreThoseOfDecoding) {
  const auto decoded = evaluated();
  for (const bool whole : {false, true}) {
    fs::remove_all(store());
    settings.store.reset();
    options.whole = whole;
    pack_and_use();
    const auto packed = evaluated();
    EXPECT_TRUE(packed.pixels.equal(decoded.pixels)) << whole;
    EXPECT_TRUE(packed.mask.equal(decoded.mask));
    EXPECT_TRUE(packed.times.equal(decoded.times));
  }
}

TEST_F(FrameStoreTest, TrainingFromItIsTrainingFromVideosWhateverTheThreads) {
  const auto epoch = [&](int64_t workers) {
    settings.data.workers = workers;
    TrainLoader loader(manifest, tokenizer, settings, 2, 0);
    std::vector<Tensor> pixels;
    for (int step = 0; step < 4; ++step) pixels.push_back(loader.next().video.pixels);
    return at::cat(pixels);
  };
  const Tensor decoded = epoch(1);
  EXPECT_TRUE(epoch(2).equal(decoded));
  EXPECT_TRUE(epoch(8).equal(decoded));
  pack_and_use();
  for (const int64_t workers : {1, 2, 8}) EXPECT_TRUE(epoch(workers).equal(decoded)) << workers;
}

TEST_F(FrameStoreTest, AnOddMultipleServesRandomAndUniformSampling) {
  settings.video.train_sampling = "random";
  const auto uniform = evaluated();
  const auto random = trained();
  pack_and_use();  // 12 frames: three times 4
  const auto packed = evaluated();
  EXPECT_TRUE(packed.pixels.equal(uniform.pixels));
  EXPECT_TRUE(packed.times.equal(uniform.times));
  const auto drawn = trained();
  settings.store.reset();
  settings.video.frames = 27;
  const auto all = evaluated().pixels;  // every frame there is
  settings.video.frames = 4;
  open();
  for (int64_t row = 0; row < 5; ++row) {
    // Videos of up to 12 frames are stored whole; of others a third of the choices are there.
    const int64_t video = drawn.video_index[row].item<int64_t>(), frames = 7 + 5 * video;
    const auto pixels = drawn.video.pixels[row];
    EXPECT_TRUE(pixels.equal(random.video.pixels[row]) || frames > 12) << frames;
    for (int64_t i = 0; i < 4; ++i) {
      bool found = false;
      for (int64_t f = i * frames / 4; f < (i + 1) * frames / 4; ++f)
        found = found || pixels[i].equal(all[video][f]);
      EXPECT_TRUE(found) << "frame " << i << " of " << frames << " is of its quarter";
    }
  }
  settings.seed = 5;
  const auto other = trained();
  EXPECT_FALSE(other.video.pixels.index({other.video_index.argsort()})
                   .equal(drawn.video.pixels.index({drawn.video_index.argsort()})))
      << "the seed chooses";
}

TEST_F(FrameStoreTest, WholeFramesAreCroppedAtRandomWhenRead) {
  settings.video.train_crop = "random_resized";
  const auto center = evaluated();
  pack_and_use();
  EXPECT_TRUE(evaluated().pixels.equal(center.pixels));
  const auto first = trained();
  EXPECT_TRUE(trained().video.pixels.equal(first.video.pixels));
  settings.seed = 9;
  EXPECT_FALSE(trained().video.pixels.equal(first.video.pixels));
}

TEST_F(FrameStoreTest, JpegIsNearAndSmaller) {
  settings.resolution = 32;
  const auto decoded = evaluated();
  const auto raw = pack_into(dir / "raw").bytes;
  options.format = "jpeg";
  for (const bool whole : {false, true}) {
    fs::remove_all(store());
    settings.store.reset();
    options.whole = whole;
    options.quality = 95;
    EXPECT_LT(pack_into(store()).bytes, raw);
    open();
    const auto difference = (evaluated().pixels.to(at::kFloat) - decoded.pixels.to(at::kFloat));
    EXPECT_LT(difference.abs().mean().item<double>(), 8) << whole;
  }
}

TEST_F(FrameStoreTest, TheFilesDependOnTheVideosAlone) {
  settings.data.workers = 1;
  pack_into(dir / "one");
  settings.data.workers = 3;
  pack_into(store());
  EXPECT_EQ(test::files_of(dir / "one"), test::files_of(store()));
  EXPECT_TRUE(fs::exists(store() / "frames_00002.bin"));
  // What a killed packer may leave: shards without an index, or half of one.
  fs::remove(store() / "frames_00001.jsonl");
  fs::resize_file(store() / "frames_00001.bin", 10);
  fs::remove(store() / "frames_00002.jsonl");
  fs::rename(store() / "frames_00002.bin", store() / "frames_00002.bin.tmp");
  test::expect_error([&] { open(); }, "shard 2 of 3 is not there");
  pack_into(store());
  EXPECT_EQ(test::files_of(dir / "one"), test::files_of(store()));
}

TEST_F(FrameStoreTest, AShardThatIsGoneOrCutOffIsPackedAgain) {
  pack_into(store());
  const auto whole = test::files_of(store());
  fs::remove(store() / "frames_00000.bin");
  fs::resize_file(store() / "frames_00001.bin", 10);
  pack_into(store());
  EXPECT_EQ(test::files_of(store()), whole);
}

TEST_F(FrameStoreTest, AMendedVideoIsPackedAgainWithItsShardAlone) {
  const auto path = manifest.videos[2].path = dir.write("v2.mp4", "no video");
  test::expect_error([&] { pack_into(store()); }, "the same command goes on from there");
  const auto before = fs::last_write_time(store() / "frames_00000.bin");
  for (const char* mended : {"v2.mp4", "v3.mp4"}) {
    fs::copy_file(*videos / mended, path, fs::copy_options::overwrite_existing);
    pack_into(store());
    fs::remove_all(dir / "anew");
    pack_into(dir / "anew");
    EXPECT_EQ(test::files_of(store()), test::files_of(dir / "anew")) << mended;
    EXPECT_EQ(FrameStore(store(), false).file_bytes("v2"), fs::file_size(path));
  }
  EXPECT_EQ(fs::last_write_time(store() / "frames_00000.bin"), before);
  fs::remove(path);
  settings.data.on_error = "skip";
  EXPECT_TRUE(pack_into(store()).unreadable.empty()) << "a file that is away has not changed";
  const auto other = manifest.videos[3].path = dir.write("v3.mp4", "no video");  // of its shard
  EXPECT_EQ(pack_into(store()).unreadable.size(), 1u) << "and its frames outlive the other's";
}

TEST_F(FrameStoreTest, VideosThatCouldNotBeReadAreTriedAgain) {
  manifest.videos[3].path = *videos / "text.mp4";
  settings.data.on_error = "skip";
  settings.data.decode_seconds = 1e-9;
  EXPECT_EQ(pack_into(store()).unreadable.size(), 5u);
  EXPECT_EQ(FrameStore(store(), false).file_bytes("v0"), -1);
  settings.data.decode_seconds = 0;
  EXPECT_EQ(pack_into(store()).unreadable.size(), 1u);
  pack_into(dir / "anew");
  EXPECT_EQ(test::files_of(store()), test::files_of(dir / "anew"));
  const auto before = fs::last_write_time(store() / "frames_00001.jsonl");
  EXPECT_EQ(pack_into(store()).unreadable.size(), 1u);
  EXPECT_EQ(fs::last_write_time(store() / "frames_00001.jsonl"), before) << "nothing has changed";
}

TEST_F(FrameStoreTest, ASecondPackerIsRefused) {
  fs::create_directories(store());
  const FolderLock lock(store());
  test::expect_error([&] { pack_into(store()); }, "another process is at work");
}

TEST_F(FrameStoreTest, AFolderOfSomethingElseIsLeftAlone) {
  dir.write("store/thesis.txt", "text");
  test::expect_error([&] { pack_into(store()); }, "holds other files");
  EXPECT_EQ(test::files_of(store()).size(), 1u);
  const auto file = store() / "thesis.txt";
  test::expect_error([&] { pack_into(file); }, "--out " + file.string() + ": a folder is needed");
}

TEST_F(FrameStoreTest, AnUnreadableVideoStopsOrIsRecordedAndCounted) {
  manifest.videos[3].path = *videos / "text.mp4";
  test::expect_error([&] { pack_into(store()); }, "video 'v3': ");
  test::expect_error([&] { pack_into(store()); }, "text.mp4: cannot be read as a video");
  EXPECT_TRUE(fs::exists(store() / "frames_00000.jsonl")) << "the whole shard stays";
  settings.data.on_error = "skip";
  const auto packed = pack_into(store());
  EXPECT_EQ(packed.videos, 5);
  ASSERT_EQ(packed.unreadable.size(), 1u);
  EXPECT_NE(packed.unreadable[0].find("text.mp4"), std::string::npos);
  open();
  VideoLoader loader(manifest, settings, 5);
  EXPECT_EQ(loader.next()->pixels.size(0), 4);
  EXPECT_EQ(loader.skipped(), std::vector<int64_t>{3});
  settings.data.on_error = "stop";
  test::expect_error([&] { evaluated(); }, "text.mp4: cannot be read as a video");
}

TEST_F(FrameStoreTest, AStaleStoreIsRefusedByWhatDiffers) {
  pack_and_use();
  const auto refused = [&](const std::string& why) {
    test::expect_error([&] { evaluated(); }, why);
  };
  const auto before = settings;
  settings.video.frames = 5;
  refused("frames: 4 in the store, 5 are asked for");
  settings = before;
  settings.video.sampling = "uniform_ends";
  refused("sampling: uniform of 4 frames in the store, uniform_ends of 4");
  settings.video.sampling = "random";
  refused("frames: 4 in the store, random sampling of 4 needs 8");
  settings = before;
  settings.video.crop = "random_resized";
  refused("crop: center in the store, random_resized");
  settings = before;
  settings.resolution = 32;
  refused("resolution: 16 in the store, 32");
  settings = before;
  manifest.videos[1].id = "other";
  refused("1 of the 5 videos of tiny are not in it (other");
  manifest.videos[1].id = "v1";
  manifest.videos[1].path = *videos / "v2.mp4";
  refused("video 'v1' has changed: its file is v1.mp4 in the store and v2.mp4 now");
  manifest.videos[1].path = dir.write("v1.mp4", "shorter");
  refused("video 'v1' has changed: its size is ");
  manifest.videos[1].path = dir / "away/v1.avi";
  manifest.videos[1].start = 2;
  EXPECT_EQ(evaluated().pixels.size(0), 5) << "the file itself is not needed";
  options.quality = 80;
  options.format = "jpeg";
  test::expect_error([&] { pack_into(store()); }, "format: raw in the store, jpeg is asked for");
}

TEST_F(FrameStoreTest, WhatOneStoreCannotServeIsRefused) {
  options.frames = 8;
  settings.video.train_sampling = "random";
  test::expect_error([&] { pack_into(store()); }, "8 in the store, 4 are asked for (an odd");
  settings.video.sampling = "uniform_ends";
  test::expect_error([&] { pack_into(store()); }, "cannot serve splits sampled by");
}

TEST_F(FrameStoreTest, DamageIsNamedAndNeverACrash) {
  pack_and_use();
  const auto bin = store() / "frames_00001.bin", index = store() / "frames_00001.jsonl";
  const std::string good = read_file(bin), lines = read_file(index);
  std::string bad = good;
  bad[5000] = static_cast<char>(bad[5000] + 1);
  write_file(bin, bad);
  open();
  test::expect_error([&] { evaluated(); }, "frames_00001.bin at byte 3072: the checksum");
  open(/*verify=*/false);
  EXPECT_EQ(evaluated().pixels.size(0), 5);
  write_file(bin, good.substr(0, 4000));
  test::expect_error([&] { open(); }, "frames_00001.jsonl:2: a frame of 768 bytes at 3840");
  write_file(bin, good);
  uint32_t random = 1;
  for (int i = 0; i < 100; ++i) {  // any byte of the index, changed
    std::string text = lines;
    random = random * 1664525 + 1013904223;
    text[(random >> 8) % text.size()] = static_cast<char>(random >> 3);
    write_file(index, text);
    test::error_of([&] { open(), evaluated(); });  // an Error or none
  }
  write_file(index, lines);
  write_file(store() / "store.yaml", "format: raw\nframes: [");
  test::expect_error([&] { open(); }, "store.yaml: ");
}

}  // namespace
}  // namespace vtr::data
