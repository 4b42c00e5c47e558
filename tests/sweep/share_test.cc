#include "share.h"

#include "vtr/config/load.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vtr::sweep {
namespace {

using Overrides = std::vector<std::string>;

const config::Node kExperiment = YAML::Load(R"(
data: {root: data, videos: '', skip_list: '', val: '', val_fraction: 0.1, store: '', features: '',
       workers: 1}
video: {sampling: uniform, train_sampling: uniform, crop: center, train_crop: center}
text: {max_words: 32}
model: {encoder: {name: clip}, weights: clip.pt}
eval: {batch: 32}
train: {seed: 1, encode_once: true, select_on: val, init_from: ''}
)");

// Of two cells, the second with `other` laid over it; `all` over both.
std::vector<Store> stores(const std::string& kind, const Overrides& other,
                          const Overrides& all = {}) {
  Request request;
  request.folder = "sweep";
  request.options.features = kind == "features" ? "shared" : "own";
  request.options.frames = kind == "frames" ? "packed" : "own";
  request.without_places = [](const config::Node& experiment) {
    return config::merge(experiment, config::parse_overrides({"data.workers=0"}));
  };
  const config::Node first = config::merge(kExperiment, config::parse_overrides(all));
  request.cells.push_back({"a", {}, 1, first});
  request.cells.push_back({"b", {}, 1, config::merge(first, config::parse_overrides(other))});
  return shared_stores(request, {0, 1}, [](const auto&) { return Overrides(); });
}

size_t count(const std::string& kind, const Overrides& other, const Overrides& all = {}) {
  return stores(kind, other, all).size();
}

const Overrides kSeed = {"train.seed=2"};

// By the seed other videos are held back to validate, and all are in the store.
TEST(Share, SeedsShareAStore) {
  for (const auto* kind : {"frames", "features"}) {
    const auto all = stores(kind, kSeed);
    ASSERT_EQ(all.size(), 1U) << kind;
    EXPECT_EQ(all.front().cells, (std::vector<size_t>{0, 1}));
    EXPECT_EQ(YAML::Load(all.front().experiment)["data"]["val_fraction"].as<double>(), 0)
        << "its videos would come in an order of the seed's";
    EXPECT_EQ(std::ranges::count(all.front().job.commands.front(), "val"), 0);
  }
}

TEST(Share, FeaturesThatDependOnTheSeedAreNotShared) {
  for (const auto* option :
       {"video.train_sampling=middle", "video.train_crop=random_resized", "model.weights=''",
        "model.encoder.name=dgl", "model.encoder.name=stan"}) {
    EXPECT_EQ(count("features", kSeed, {option}), 2U) << option;
    EXPECT_EQ(count("frames", kSeed, {option}), 1U) << option;
  }
  const auto split = stores("features", kSeed, {"video.train_sampling=middle"});
  EXPECT_EQ(std::ranges::count(split.front().job.commands.front(), "val"), 1);
}

TEST(Share, AStoreHasTheTestSplitWhereAnyCellChoosesOnIt) {
  const auto all = stores("frames", {"train.select_on=test"});
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(std::ranges::count(all.front().job.commands.front(), "test"), 1);
}

TEST(Share, OtherPlacesOfWorkShareAStoreAndOtherVideosDoNot) {
  EXPECT_EQ(count("frames", {"data.workers=2"}), 1U);
  for (const auto* option : {"data.root=other", "data.videos=small", "video.sampling=middle"}) {
    EXPECT_EQ(count("frames", {option}), 2U) << option;
  }
  EXPECT_EQ(count("features", {"data.store=jpeg"}), 2U);
}

// vtr encode starts from model.weights alone.
TEST(Share, EncodersOfAnotherStartReadNoFeatures) {
  EXPECT_EQ(count("features", {}, {"train.init_from=run"}), 0U);
}

}  // namespace
}  // namespace vtr::sweep
