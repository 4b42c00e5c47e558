#include "vtr/eval/feature_store.h"

#include "feature_index.h"
#include "support/error_of.h"
#include "support/fake_tokenizer.h"
#include "support/ranks.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"
#include "support/tiny_video.h"

#include "vtr/core/log.h"
#include "vtr/eval/evaluator.h"
#include "vtr/models/towers.h"
#include "vtr/models/weights/head_files.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>

namespace vtr::eval {
namespace {

// Seven videos of a few frames, video v with v % 3 + 1 captions, and a small model.
class FeatureStoreTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    videos = new test::TempDir;
    for (int v = 0; v < 7; ++v) {
      test::write_tiny_video(*videos / fmt::format("{}.mp4", v),
                             {.frames = 6, .first = 20 + 30 * v});
    }
    log::set_level("error");
  }
  static void TearDownTestSuite() { delete videos; }

  FeatureStoreTest() {
    for (int v = 0; v < 7; ++v) {
      data::Record record{std::to_string(v), *videos / fmt::format("{}.mp4", v), {}};
      for (int c = 0; c <= v % 3; ++c) record.captions.push_back(fmt::format("{} of {}", c, v));
      manifest.videos.push_back(record);
    }
  }

  static config::Choice encoder_choice() {
    auto options = test::tiny_clip_options();
    options["vocab"] = 300;
    return {"clip", models::encoders().find("clip").schema.resolve(options, "")};
  }
  std::shared_ptr<models::Retriever> model(const std::string& head = "mean_pool") const {
    torch::manual_seed(1);
    const auto choice = encoder_choice();
    auto pair = models::encoders().find("clip").make(choice.options, "");
    return std::make_shared<models::Retriever>(
        pair, models::make_head({head, {}}, {.width = 24, .frames = 4, .words = 12}),
        models::PixelNorm{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
  }
  Encoding encoding(models::Retriever& of) const {
    data::LoaderSettings loader;
    loader.data.workers = 1;
    loader.data.features = store().string();
    loader.video.frames = 4;
    loader.resolution = 32;
    loader.max_words = 12;
    loader.pad_words = of.head().wants().padding;
    return {.model = of,
            .tokenizer = tokenizer,
            .loader = loader,
            .encoder_choice = encoder_choice(),
            .tokenizer_choice = {"fake", config::Node(YAML::NodeType::Map)},
            .batch = 2};
  }
  fs::path store() const { return dir / "store"; }
  void write(const Encoding& with, StoreOptions options = {.dtype = "fp32", .shard = 4}) const {
    write_features(store(), options, {{with, manifest}});
  }
  Features open(const Encoding& with,
                FeatureStore::Texts texts = FeatureStore::Texts::needed) const {
    return FeatureStore(with).open(with, manifest, texts);
  }
  // What opening says once `change` has been made to what it is opened with.
  std::string refusal(const std::function<void(Encoding&)>& change) const {
    const auto other = model();
    auto with = encoding(*other);
    change(with);
    return test::error_of([&] { open(with); });
  }

  static inline test::TempDir* videos = nullptr;
  test::TempDir dir;
  data::Manifest manifest{"tiny train", {}};
  test::FakeTokenizer tokenizer;
};

bool same(const models::VideoFeatures& a, const models::VideoFeatures& b) {
  return a.frames.equal(b.frames) && a.mask.equal(b.mask) && a.times.equal(b.times) &&
         a.patches.defined() == b.patches.defined() &&
         (!a.patches.defined() || a.patches.equal(b.patches));
}

TEST_F(FeatureStoreTest, GivesTheBitsOfEncodingInMemory) {
  for (const std::string head : {"mean_pool", "wti", "ts2"}) {
    const auto m = model(head);
    const auto with = encoding(*m);
    fs::remove_all(store());
    write(with);
    const Features memory = encode_split(with, manifest, /*texts=*/true), disk = open(with);
    const Tensor videos_index = torch::tensor({6, 0, 3, 3});
    EXPECT_TRUE(same(memory.videos(videos_index), disk.videos(videos_index))) << head;
    const Tensor texts_index = torch::tensor({12, 0, 5});
    const auto a = memory.texts(texts_index, false), b = disk.texts(texts_index, false);
    EXPECT_TRUE(a.pooled.equal(b.pooled)) << head;
    EXPECT_TRUE(a.mask.equal(b.mask)) << head;
    EXPECT_EQ(a.tokens.defined(), m->head().wants().tokens);
    EXPECT_TRUE(!a.tokens.defined() || a.tokens.equal(b.tokens)) << head;
    const auto plain = evaluate(with, manifest, 16, nullptr),
               stored = evaluate(with, manifest, 16, &disk);
    EXPECT_EQ(plain.t2v_ranks, stored.t2v_ranks) << head;
    EXPECT_EQ(plain.v2t_ranks, stored.v2t_ranks) << head;
    EXPECT_TRUE(plain.sim.equal(stored.sim)) << head;
    EXPECT_EQ(plain.sim.sizes(), torch::IntArrayRef({manifest.captions(), 7})) << head;
  }
}

TEST_F(FeatureStoreTest, RanksTogetherEncodeWhatOneDoes) {
  const auto with_random_frames = [&](models::Retriever& of) {
    auto with = encoding(of);
    with.loader.data.on_error = "skip";
    with.loader.video.sampling = "random";
    return with;
  };
  auto some = manifest;
  some.videos[3].path = dir / "gone.mp4";
  const std::vector<std::shared_ptr<models::Retriever>> models = {model("wti"), model("wti"),
                                                                  model("wti"), model("wti")};
  const auto alone = with_random_frames(*models[3]);
  const Features whole = encode_split(alone, some, /*texts=*/true);
  const auto evaluated = evaluate(alone, some, 16, nullptr);
  const Tensor videos_index = torch::arange(6), texts_index = torch::arange(whole.text_count());
  test::run_ranks(3, [&](dist::Group& group) {
    const auto with = with_random_frames(*models[static_cast<size_t>(group.rank())]);
    const Features shared = encode_split(with, some, /*texts=*/true, &group);
    EXPECT_EQ(shared.skipped(), (std::vector<int64_t>{3}));
    EXPECT_TRUE(same(shared.videos(videos_index), whole.videos(videos_index)));
    const auto a = shared.texts(texts_index, true), b = whole.texts(texts_index, true);
    EXPECT_TRUE(a.mask.equal(b.mask));
    // So few texts are shared out one by one: other products than those of one batch.
    EXPECT_TRUE(test::tensor_near(a.pooled, b.pooled, 1e-5));
    EXPECT_TRUE(test::tensor_near(a.tokens, b.tokens, 1e-5));
    EXPECT_TRUE(
        test::tensor_near(evaluate(with, some, 16, nullptr, &group).sim, evaluated.sim, 1e-5));
  });
}

TEST_F(FeatureStoreTest, HalfPrecisionIsWidenedAndNear) {
  const auto m = model();
  const auto with = encoding(*m);
  write(with, {.dtype = "fp16", .shard = 4});
  const Tensor index = torch::arange(7);
  const Tensor exact = encode_split(with, manifest, false).videos(index).frames;
  const Tensor half = open(with).videos(index).frames;
  EXPECT_EQ(half.scalar_type(), torch::kFloat);
  EXPECT_TRUE(half.equal(exact.to(torch::kHalf).to(torch::kFloat)));
}

TEST_F(FeatureStoreTest, ServesPartsOfItsSplitsInAnyOrderByTheirIds) {
  const auto m = model();
  const auto with = encoding(*m);
  write(with);
  const Features all = open(with);
  std::reverse(manifest.videos.begin(), manifest.videos.end());
  manifest.videos.resize(3);  // 6, 5, 4
  manifest.name = "another split";
  const Features part = open(with);
  EXPECT_TRUE(same(part.videos(torch::arange(3)), all.videos(torch::tensor({6, 5, 4}))));
  EXPECT_TRUE(part.texts(torch::tensor({0}), false)
                  .pooled.equal(all.texts(torch::tensor({12}), false).pooled));
}

TEST_F(FeatureStoreTest, SaysWhichPartIsStale) {
  const auto m = model();
  write(encoding(*m));
  EXPECT_EQ(refusal([](Encoding&) {}), "no error");
  const auto stale = [&](const std::string& part, const std::function<void(Encoding&)>& change) {
    const std::string why = refusal(change);
    EXPECT_NE(why.find("its features of tiny train are stale: " + part), std::string::npos) << why;
    EXPECT_NE(why.find("run vtr encode"), std::string::npos) << why;
  };
  const auto nudge = [](Encoding& e, const std::string& name) {
    const torch::NoGradGuard no_grad;
    e.model.encoders().named_parameters()[name].view(-1)[0].add_(1e-3);
  };
  stale("the image tower differs;", [&](Encoding& e) { nudge(e, "visual.conv1.weight"); });
  stale("the text tower differs;", [&](Encoding& e) { nudge(e, "text_projection"); });
  stale("video.frames is 4 there and 3 here;", [](Encoding& e) { e.loader.video.frames = 3; });
  stale("video.sampling is uniform there and uniform_ends here;",
        [](Encoding& e) { e.loader.video.sampling = "uniform_ends"; });
  stale("video.normalize is clip there and half here;",
        [](Encoding& e) { e.loader.video.normalize = "half"; });
  stale("the resolution is 32 there and 16 here;", [](Encoding& e) { e.loader.resolution = 16; });
  stale("model.encoder.activation is quick_gelu there and gelu here;",
        [](Encoding& e) { e.encoder_choice.options["activation"] = "gelu"; });
  stale("text.tokenizer is fake there and clip_bpe here;",
        [](Encoding& e) { e.tokenizer_choice.name = "clip_bpe"; });
  stale("eval.precision is fp32 there and bf16 here;", [](Encoding& e) { e.precision = "bf16"; });
  stale("text.max_words is 12 there and 9 here;", [](Encoding& e) { e.loader.max_words = 9; });
}

TEST_F(FeatureStoreTest, AnOptionThatNamesAFileStandsForItsBytes) {
  const auto m = model();
  auto with = encoding(*m);
  const auto use = [&](const std::string& name, const std::string& bytes) {
    with.tokenizer_choice.options["model"] = dir.write(name, bytes).string();
  };
  use("a.model", "pieces");
  write(with);
  use("b.model", "pieces");
  EXPECT_TRUE(open(with).has_texts());
  use("a.model", "others");
  test::expect_error([&] { open(with); }, "stale: text.tokenizer.model differs;");
}

TEST_F(FeatureStoreTest, ATemperatureAndTheTrainingsRulesChangeNothing) {
  const auto m = model();
  write(encoding(*m));
  EXPECT_EQ(refusal([](Encoding& e) {
              const torch::NoGradGuard no_grad;
              e.model.encoders().logit_scale().add_(1);
              e.loader.video.train_sampling = "random";
            }),
            "no error");
}

TEST_F(FeatureStoreTest, TheTextTowerMayDifferWhereNobodyAsksForItsFeatures) {
  const auto m = model();
  write(encoding(*m));
  {
    const torch::NoGradGuard no_grad;
    m->encoders().named_parameters()["text_projection"].add_(1);
  }
  EXPECT_FALSE(open(encoding(*m), FeatureStore::Texts::no).has_texts());
  EXPECT_FALSE(open(encoding(*m), FeatureStore::Texts::fresh).has_texts());
}

TEST_F(FeatureStoreTest, SaysWhatItDoesNotHave) {
  const auto m = model(), words = model("wti"), patches = model("ts2");
  write(encoding(*m));
  test::expect_error([&] { open(encoding(*words)); }, "vtr encode --tokens");
  test::expect_error([&] { open(encoding(*patches)); }, "has no 'patches', which the head reads");
  manifest.videos[2].id = "x";
  test::expect_error([&] { open(encoding(*m)); },
                     "has no features of 1 (x) of the 7 videos of tiny train");
  manifest.videos[2].id = "2";
  manifest.videos[2].captions[0] = "new";
  test::expect_error([&] { open(encoding(*m)); }, "has no features of 'new' of 2");
  manifest.videos[2].path = manifest.videos[3].path;
  fs::copy_file(manifest.videos[2].path, dir / "longer.mp4");
  fs::resize_file(dir / "longer.mp4", 100000);
  manifest.videos[2].path = dir / "longer.mp4";
  test::expect_error([&] { open(encoding(*m)); }, "longer.mp4 had ");
  fs::remove(store() / "index.json");
  test::expect_error([&] { open(encoding(*m)); }, "is no feature store");
}

TEST_F(FeatureStoreTest, WordsComeFromTheSplitsThatHaveThem) {
  const auto m = model(), words = model("wti");
  const data::Manifest all = manifest;
  manifest.videos.resize(3);
  write(encoding(*m));
  manifest = all;
  manifest.videos.erase(manifest.videos.begin(), manifest.videos.begin() + 3);
  manifest.name = "tiny val";
  write(encoding(*words));
  const Features part = open(encoding(*words));
  const Tensor index = torch::arange(part.text_count());
  const Features memory = encode_split(encoding(*words), manifest, true);
  EXPECT_TRUE(part.texts(index, true).tokens.equal(memory.texts(index, true).tokens));
  manifest = all;
  test::expect_error([&] { open(encoding(*words)); }, "vtr encode --tokens");
  const Features both = open(encoding(*m));
  EXPECT_TRUE(both.texts(torch::arange(both.text_count()), false).pooled.defined());
  EXPECT_FALSE(open(encoding(*words), FeatureStore::Texts::fresh).has_texts());
}

TEST_F(FeatureStoreTest, ALostListOfItsItemsIsWrittenAgain) {
  const auto m = model();
  write(encoding(*m));
  fs::remove(store() / "tiny-train/items.json");
  test::expect_error([&] { open(encoding(*m)); }, "items.json: no such file");
  write(encoding(*m));
  EXPECT_EQ(open(encoding(*m)).video_count(), 7);
}

TEST_F(FeatureStoreTest, NeedsNoVideoFiles) {
  const auto m = model();
  write(encoding(*m));
  manifest.videos[2].path = dir / "away.avi";
  manifest.videos[2].start = 3;  // what the file's name would tell
  EXPECT_EQ(open(encoding(*m)).video_count(), 7);
}

TEST_F(FeatureStoreTest, NoticesEveryChangedByteAndWritesItAgain) {
  const auto m = model();
  const auto with = encoding(*m);
  write(with);
  const fs::path shard = store() / "tiny-train/videos-00001.safetensors";
  const std::string good = read_file(shard), index = read_file(store() / "index.json");
  std::string bad = good;
  bad.back() ^= 1;
  write_file(shard, bad);
  test::expect_error([&] { open(with); }, "videos-00001.safetensors: is not what was written");
  write(with);
  EXPECT_EQ(read_file(shard), good);
  EXPECT_EQ(read_file(store() / "index.json"), index);
  for (const char* broken : {"", "[]", "{\"format\": \"vtr features 1\"}", "nonsense"}) {
    write_file(store() / "index.json", broken);
    test::expect_error([&] { open(with); }, "index.json: not a feature store's");
  }
  std::string lies = index;
  lies.replace(lies.find("\"rows\": 4"), 9, "\"rows\": 5");
  write_file(store() / "index.json", lies);
  test::expect_error([&] { open(with); }, "shard 0 does not hold its 4 items");
}

TEST_F(FeatureStoreTest, OtherFeaturesAreNeverMixedIn) {
  const auto m = model();
  auto with = encoding(*m);
  write(with);
  test::expect_error([&] { write(with, {.dtype = "fp16", .shard = 4}); },
                     "is a store of fp32, fp16");
  test::expect_error([&] { write(with, {.dtype = "fp32", .shard = 2}); },
                     "--shard is 4 there and 2");
  with.loader.video.frames = 3;
  test::expect_error([&] { write(with); },
                     "video.frames is 4 there and 3 here; give another --out");
  write(with, {.dtype = "fp32", .shard = 4, .overwrite = true});
  EXPECT_EQ(open(with).videos(torch::arange(1)).frames.size(1), 3);
  const FolderLock lock(store());
  test::expect_error([&] { write(with); }, "another process is at work in this folder");
  dir.write("other/notes.txt", "mine");
  test::expect_error([&] { write_features(dir / "other", {}, {}); }, "holds something else");
  with.loader.video.sampling = "random";
  fs::remove_all(dir / "other");
  test::expect_error(
      [&] {
        write_features(dir / "other", {}, {{with, manifest}});
      },
      "features would change");
}

TEST_F(FeatureStoreTest, VideosThatCannotBeReadAreRecorded) {
  const auto m = model();
  auto with = encoding(*m);
  dir.write("broken.mp4", "no video");
  for (const size_t v : {1, 4, 5}) manifest.videos[v].path = dir / "broken.mp4";
  test::expect_error([&] { write(with); }, "broken.mp4");
  with.loader.data.on_error = "skip";
  write(with);
  const Features disk = open(with), memory = encode_split(with, manifest, true);
  EXPECT_EQ(disk.skipped(), (std::vector<int64_t>{1, 4, 5}));
  EXPECT_EQ(memory.skipped(), disk.skipped());
  EXPECT_EQ(disk.video_count(), 4);
  EXPECT_EQ(disk.text_count(), memory.text_count());
  EXPECT_TRUE(same(disk.videos(torch::arange(4)), memory.videos(torch::arange(4))));
  const auto result = evaluate(with, manifest, 16, &disk);
  EXPECT_EQ(result.skipped, 3);
  EXPECT_EQ(result.target, (std::vector<int64_t>{0, 1, 1, 1, 2, 3}));  // of videos 0, 2, 3 and 6
  EXPECT_EQ(result.readable.videos[1].id, "2");
  EXPECT_EQ(result.sim.sizes(), torch::IntArrayRef({6, 4}));
  with.loader.data.on_error = "stop";
  test::expect_error([&] { open(with); }, "could not be read when it was made: 3 (1, 4, 5)");
}

TEST_F(FeatureStoreTest, AShardIsAFeaturesFile) {
  const auto m = model("wti");
  write(encoding(*m), {.dtype = "fp16", .patches = true, .shard = 4});
  const fs::path folder = store() / "tiny-train";
  const auto video = models::video_features(
      models::load_safetensors(folder / "videos-00000.safetensors"), "videos");
  EXPECT_EQ(video.frames.sizes(), (std::vector<int64_t>{4, 4, 24}));
  EXPECT_EQ(video.patches.sizes(), (std::vector<int64_t>{4, 4, 16, 24}));
  const auto text =
      models::text_features(models::load_safetensors(folder / "texts-00000.safetensors"), "texts");
  EXPECT_EQ(text.tokens.sizes(), (std::vector<int64_t>{13, 12, 24}));
  EXPECT_TRUE(text.mask.any(1).all().item<bool>());
}

TEST_F(FeatureStoreTest, FeaturesThatAreNotFiniteAreRefused) {
  const auto m = model();
  const torch::NoGradGuard no_grad;
  m->encoders().named_parameters()["visual.proj"].mul_(1e6);
  test::expect_error([&] { write(encoding(*m), {.dtype = "fp16"}); }, "try --dtype fp32");
  write(encoding(*m), {.dtype = "fp32", .overwrite = true});
}

}  // namespace
}  // namespace vtr::eval
