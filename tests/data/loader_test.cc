#include "vtr/data/loader.h"

#include "frame_reader.h"
#include "support/error_of.h"
#include "support/fake_tokenizer.h"
#include "support/temp_dir.h"
#include "support/tiny_video.h"

#include "vtr/core/log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

namespace vtr::data {
namespace {

constexpr int64_t kStep = 3;  // of grey levels within a video

// Seven videos of 8 frames; video v has the grey levels 20 + 30 v + 3 frame and v % 3 + 1 captions.
struct Fixture : testing::Test {
  static void SetUpTestSuite() {
    dir = new test::TempDir;
    for (int v = 0; v < 7; ++v) {
      test::write_tiny_video(*dir / fmt::format("{}.mp4", v),
                             {.frames = 8, .first = 20 + 30 * v, .step = kStep});
    }
    dir->write("broken.mp4", "no video");
  }
  static void TearDownTestSuite() { delete dir; }

  Fixture() {
    for (int v = 0; v < 7; ++v) {
      Record record{std::to_string(v), *dir / fmt::format("{}.mp4", v), {}};
      for (int c = 0; c <= v % 3; ++c)
        record.captions.push_back(fmt::format("video {} caption {}", v, c));
      manifest.videos.push_back(record);
    }
    settings.video.frames = 4;
    settings.resolution = 16;
    settings.seed = 11;
    settings.data.workers = 2;
    log::set_level("error");
  }
  void break_video(size_t v) { manifest.videos[v].path = *dir / "broken.mp4"; }
  TrainLoader train(int64_t batch, int64_t first_step = 0) const {
    return TrainLoader(manifest, tokenizer, settings, batch, first_step);
  }
  std::vector<Batch> batches(int64_t batch, int64_t count, int64_t first_step = 0) const {
    TrainLoader loader(manifest, tokenizer, settings, batch, first_step);
    std::vector<Batch> result;
    for (int64_t i = 0; i < count; ++i) result.push_back(loader.next());
    return result;
  }

  static inline test::TempDir* dir = nullptr;
  Manifest manifest{"tiny", {}};
  LoaderSettings settings;
  test::FakeTokenizer tokenizer;
};
using TrainLoaderTest = Fixture;
using VideoLoaderTest = Fixture;

bool equal(const Batch& a, const Batch& b) {
  return a.text.ids.equal(b.text.ids) && a.text.mask.equal(b.text.mask) &&
         a.video.pixels.equal(b.video.pixels) && a.video.mask.equal(b.video.mask) &&
         a.video_index.equal(b.video_index);
}

bool equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Batch& x, const Batch& y) { return equal(x, y); });
}

std::string caption_of(const Batch& batch, int64_t row) {
  std::string text;
  for (int64_t i = 0; i < batch.text.ids.size(1); ++i) {
    const auto id = batch.text.ids[row][i].item<int64_t>();
    if (id >= 3) text += static_cast<char>(id - 3);
  }
  return text;
}

int64_t video_of(const Tensor& pixels) {  // [T, 3, R, R]
  return (pixels[0][0][8][8].item<int64_t>() - 18) / 30;
}

TEST_F(TrainLoaderTest, AnEpochMeetsEveryPairOnce) {
  ASSERT_EQ(manifest.captions(), 13);
  EXPECT_EQ(TrainLoader::steps_per_epoch(manifest, settings.data, 4), 3);
  auto loader = train(1);
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::set<std::string> seen;
    for (int i = 0; i < 13; ++i) {
      const Batch batch = loader.next();
      seen.insert(caption_of(batch, 0));
      const auto video = batch.video_index.item<int64_t>();
      EXPECT_EQ(video_of(batch.video.pixels[0]), video);
      EXPECT_EQ(caption_of(batch, 0).substr(0, 8), fmt::format("video {} ", video));
    }
    EXPECT_EQ(seen.size(), 13u);
  }
}

TEST_F(TrainLoaderTest, TheShapesAreThoseOfTheHeader) {
  const Batch batch = batches(4, 1)[0];
  EXPECT_EQ(batch.video.pixels.sizes(), (at::IntArrayRef{4, 4, 3, 16, 16}));
  EXPECT_EQ(batch.video.pixels.scalar_type(), at::kByte);
  EXPECT_EQ(batch.video.mask.sizes(), (at::IntArrayRef{4, 4}));
  EXPECT_TRUE(batch.video.mask.all().item<bool>());
  EXPECT_EQ(batch.text.ids.sizes(), batch.text.mask.sizes());
  EXPECT_EQ(batch.video_index.sizes(), (at::IntArrayRef{4}));
}

TEST_F(TrainLoaderTest, BatchesDoNotDependOnTheWorkers) {
  settings.video.train_sampling = "random";
  settings.video.train_crop = "random_resized";
  settings.data.workers = 1;
  const auto one = batches(4, 8);
  settings.data.workers = 4;
  settings.data.prefetch_mb = 0;  // one at a time
  EXPECT_TRUE(equal(one, batches(4, 8)));
  settings.seed = 12;
  EXPECT_FALSE(equal(one, batches(4, 8)));
}

TEST_F(TrainLoaderTest, AnyStepCanBeTheFirst) {
  settings.video.train_sampling = "random";
  for (const auto& [captions, each] : {std::pair{"all", 1}, {"one", 1}, {"all", 3}}) {
    settings.data.captions = captions;
    settings.data.captions_per_video = each;
    const auto whole = batches(3, 9);
    for (const int64_t k : {1, 4, 7}) {
      EXPECT_TRUE(equal({whole.begin() + k, whole.end()}, batches(3, 9 - k, k))) << k;
    }
  }
}

TEST_F(TrainLoaderTest, EpochsDifferInOrderAndFrames) {
  settings.video.train_sampling = "random";
  settings.data.captions = "one";
  const auto two = batches(7, 2);
  EXPECT_FALSE(two[0].video_index.equal(two[1].video_index));
  EXPECT_TRUE(std::get<0>(two[0].video_index.sort()).equal(std::get<0>(two[1].video_index.sort())));
}

TEST_F(TrainLoaderTest, OneCaptionAVideoComesToAllInTime) {
  settings.data.captions = "one";
  EXPECT_EQ(TrainLoader::steps_per_epoch(manifest, settings.data, 7), 1);
  std::set<std::string> seen;
  for (const auto& batch : batches(7, 30)) {
    for (int64_t i = 0; i < 7; ++i) seen.insert(caption_of(batch, i));
  }
  EXPECT_EQ(seen.size(), 13u);
}

// A video with one caption has it twice.
TEST_F(TrainLoaderTest, CaptionsOfAVideoComeSideBySide) {
  settings.data.captions_per_video = 2;
  int64_t groups = 0;
  for (const auto& video : manifest.videos) groups += (std::ssize(video.captions) + 1) / 2;
  EXPECT_EQ(TrainLoader::pairs(manifest, settings.data), 2 * groups);
  EXPECT_EQ(TrainLoader::steps_per_epoch(manifest, settings.data, 2), groups);
  auto loader = train(2);
  std::set<std::string> epochs[2];
  std::vector<std::vector<int64_t>> met[2];
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (int64_t i = 0; i < groups; ++i) {
      const Batch batch = loader.next();
      ASSERT_EQ(batch.captions_per_video(), 2);
      const auto video = batch.video_index.item<int64_t>();
      EXPECT_EQ(video_of(batch.video.pixels[0]), video);
      const bool many = manifest.videos[static_cast<size_t>(video)].captions.size() > 1;
      EXPECT_NE(many, caption_of(batch, 0) == caption_of(batch, 1));
      for (const int64_t row : {0, 1}) {
        epochs[epoch].insert(caption_of(batch, row));
        EXPECT_EQ(caption_of(batch, row).substr(0, 8), fmt::format("video {} ", video));
      }
      met[epoch].push_back(
          {batch.caption_index[0].item<int64_t>(), batch.caption_index[1].item<int64_t>()});
    }
    EXPECT_EQ(epochs[epoch].size(), 13u);
    std::ranges::sort(met[epoch]);
  }
  EXPECT_NE(met[0], met[1]) << "the same captions met in both epochs";
}

TEST_F(TrainLoaderTest, AVideoMeetsManyOfItsCaptionsAtOnce) {
  settings.data.captions = "one";
  settings.data.captions_per_video = 2;
  settings.data.on_error = "skip";
  break_video(2);
  EXPECT_EQ(TrainLoader::steps_per_epoch(manifest, settings.data, 14), 1);
  for (const auto& batch : batches(14, 2)) {
    ASSERT_EQ(batch.video_index.size(0), 7);
    ASSERT_EQ(batch.caption_index.size(0), 14);
    for (int64_t row = 0; row < 14; ++row) {
      const auto video = batch.video_index[row / 2].item<int64_t>();
      EXPECT_NE(video, 2);
      EXPECT_EQ(caption_of(batch, row).substr(0, 8), fmt::format("video {} ", video));
    }
  }
}

TEST_F(TrainLoaderTest, AnEpochSmallerThanABatchIsOneBatch) {
  EXPECT_EQ(TrainLoader::steps_per_epoch(manifest, settings.data, 100), 1);
  EXPECT_EQ(batches(100, 2)[1].video_index.size(0), 13);
}

TEST_F(TrainLoaderTest, TheCacheChangesNothing) {
  const auto fresh = batches(4, 8);
  settings.data.cache_mb = 1;
  EXPECT_TRUE(equal(fresh, batches(4, 8)));
  settings.video.train_sampling = "random";
  const auto random = batches(4, 8);
  settings.data.cache_mb = 0;
  EXPECT_TRUE(equal(random, batches(4, 8))) << "random frames must not be cached";
}

TEST_F(TrainLoaderTest, ABrokenVideoStopsTheRun) {
  break_video(2);
  auto loader = train(13);
  test::expect_error([&] { loader.next(); }, "video '2': ");
  test::expect_error([&] { loader.next(); }, "broken.mp4: cannot be read as a video");
  test::expect_error([&] { loader.next(); }, "data.on_error=skip");
}

TEST_F(TrainLoaderTest, ASkippedVideoIsReplacedTheSameWayEachTime) {
  const auto whole = batches(4, 3);
  break_video(2);
  break_video(5);
  settings.data.on_error = "skip";
  const auto some = batches(4, 3);
  settings.data.workers = 4;
  EXPECT_TRUE(equal(some, batches(4, 3)));
  EXPECT_TRUE(equal({some.begin() + 2, some.end()}, batches(4, 1, 2)));
  for (size_t b = 0; b < 3; ++b) {
    for (int64_t i = 0; i < 4; ++i) {
      const auto before = whole[b].video_index[i].item<int64_t>();
      const auto after = some[b].video_index[i].item<int64_t>();
      EXPECT_TRUE(after != 2 && after != 5);
      EXPECT_TRUE(before == after || before == 2 || before == 5);
      EXPECT_EQ(video_of(some[b].video.pixels[i]), after);
    }
  }
}

TEST_F(TrainLoaderTest, NothingReadableIsAnError) {
  for (size_t v = 0; v < 7; ++v) break_video(v);
  settings.data.on_error = "skip";
  auto loader = train(4);
  test::expect_error([&] { loader.next(); }, "tiny: no video can be read");
  manifest.videos.clear();
  test::expect_error([&] { train(4); }, "nothing to train on");
}

TEST_F(TrainLoaderTest, ALoaderThatIsNotReadEndsAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) train(4);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(TrainLoaderTest, TheRanksTogetherHaveTheBatchOfOne) {
  settings.video.train_sampling = "random";
  settings.data.on_error = "skip";
  break_video(2);
  const auto whole = batches(5, 4);
  settings.world = 3;
  std::vector<std::vector<Batch>> parts;
  for (settings.rank = 0; settings.rank < 3; ++settings.rank) parts.push_back(batches(5, 4));
  for (size_t b = 0; b < 4; ++b) {
    std::vector<Tensor> pixels, index;
    for (const auto& part : parts) {
      pixels.push_back(part[b].video.pixels);
      index.push_back(part[b].video_index);
    }
    EXPECT_TRUE(at::cat(index).equal(whole[b].video_index));
    EXPECT_TRUE(at::cat(pixels).equal(whole[b].video.pixels));
  }
  settings.world = 20;
  test::expect_error([&] { train(5); }, "a batch of 5 videos has none for each of 20 ranks");
}

TEST_F(TrainLoaderTest, WhatIsReadAheadFitsThePrefetch) {
  const auto ahead = [&](int64_t megabytes, int64_t videos) {
    settings.data.prefetch_mb = megabytes;
    return FrameReader(manifest, settings, settings.request(Split::train)).ahead(videos);
  };
  const int64_t bytes = 4 * 3 * 16 * 16;  // of a video
  EXPECT_EQ(ahead(1, (1 << 20) / bytes / 3), 3u);
  EXPECT_EQ(ahead(1, (1 << 20) / bytes + 1), 1u) << "one there must be";
  EXPECT_EQ(ahead(0, 1), 1u);
}

TEST_F(TrainLoaderTest, TimeWaitedForDataIsCounted) {
  auto loader = train(4);
  EXPECT_EQ(loader.waited(), 0);
  loader.next();
  const double once = loader.waited();
  EXPECT_GT(once, 0);
  loader.next();
  EXPECT_GE(loader.waited(), once);
}

TEST_F(VideoLoaderTest, EveryVideoComesOnceInOrder) {
  VideoLoader loader(manifest, settings, 3);
  std::vector<int64_t> seen, sizes;
  while (const auto batch = loader.next()) {
    sizes.push_back(batch->pixels.size(0));
    for (int64_t i = 0; i < sizes.back(); ++i) seen.push_back(video_of(batch->pixels[i]));
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(sizes, (std::vector<int64_t>{3, 3, 1}));
  EXPECT_FALSE(loader.next().has_value());
}

TEST_F(VideoLoaderTest, TheRanksHaveTheVideosInOrder) {
  settings.world = 3;
  std::vector<int64_t> seen;
  for (settings.rank = 0; settings.rank < 3; ++settings.rank) {
    VideoLoader loader(manifest, settings, 2);
    while (const auto batch = loader.next()) {
      for (int64_t i = 0; i < batch->pixels.size(0); ++i)
        seen.push_back(video_of(batch->pixels[i]));
    }
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST_F(VideoLoaderTest, AShortVideoIsMasked) {
  settings.video.frames = 10;
  VideoLoader loader(manifest, settings, 7);
  const auto mask = loader.next()->mask;
  EXPECT_TRUE(mask.slice(1, 0, 8).all().item<bool>());
  EXPECT_FALSE(mask.slice(1, 8).any().item<bool>());
}

TEST_F(VideoLoaderTest, SkippedVideosHaveNoRowAndAreListed) {
  for (const size_t v : {0u, 3u, 4u, 5u}) break_video(v);
  VideoLoader stopping(manifest, settings, 3);
  test::expect_error([&] { stopping.next(); }, "broken.mp4");
  settings.data.on_error = "skip";
  VideoLoader loader(manifest, settings, 3);
  std::vector<int64_t> seen;
  while (const auto batch = loader.next()) {
    for (int64_t i = 0; i < batch->pixels.size(0); ++i) seen.push_back(video_of(batch->pixels[i]));
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 6}));
  EXPECT_EQ(loader.skipped(), (std::vector<int64_t>{0, 3, 4, 5}));
}

TEST(Tokenize, PadsToTheLongestAndMasksTheRest) {
  const auto batch = tokenize(test::FakeTokenizer(), {"abcd", "a", "abcdefgh"}, 6,
                              /*pad_to_max=*/false);
  EXPECT_EQ(batch.ids.sizes(), (at::IntArrayRef{3, 6}));
  EXPECT_EQ(batch.mask.sum(1).equal(at::tensor({6, 3, 6}, at::kLong)), true);
  EXPECT_EQ(batch.ids[1][2].item<int64_t>(), 2);
  EXPECT_EQ(batch.ids[1][3].item<int64_t>(), 0);
  EXPECT_EQ(batch.ids[2][5].item<int64_t>(), 2);
  EXPECT_EQ(batch.truncated, 1) << "one that fits to the last token is whole";
}

}  // namespace
}  // namespace vtr::data
