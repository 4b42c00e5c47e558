#include "vtr/data/shapes.h"

#include "shapes/render.h"
#include "shapes/story.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/core/log.h"
#include "vtr/data/manifest.h"
#include "vtr/video/frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace vtr::data {
namespace {

using Objects = std::vector<Object>;

Objects sorted(Objects objects) {
  std::sort(objects.begin(), objects.end());
  return objects;
}

// How often each set of objects occurs in a part, and in how many different orders.
std::map<Objects, std::multiset<Objects>> groups(const std::vector<Story>& stories, bool test) {
  std::map<Objects, std::multiset<Objects>> result;
  for (const auto& story : stories) {
    if (story.test == test) result[sorted(story.objects)].insert(story.objects);
  }
  return result;
}

std::map<std::string, std::string> files(const fs::path& root) {
  std::map<std::string, std::string> result;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file())
      result[fs::relative(entry.path(), root).string()] = read_file(entry.path());
  }
  return result;
}

TEST(Shapes, TestGroupsHoldTheSameObjectsInDifferentOrders) {
  const ShapesOptions options{.train = 100, .test = 40, .orders = 4};
  const auto stories = tell_stories(options);
  ASSERT_EQ(stories.size(), 140u);
  EXPECT_FALSE(stories[99].test);
  EXPECT_TRUE(stories[100].test);
  const auto test = groups(stories, true);
  EXPECT_EQ(test.size(), 10u);
  for (const auto& [set, orders] : test) {
    EXPECT_EQ(orders.size(), 4u);
    EXPECT_EQ(std::set<Objects>(orders.begin(), orders.end()).size(), 4u) << "orders differ";
    EXPECT_EQ(std::adjacent_find(set.begin(), set.end()), set.end()) << "objects differ";
  }
  for (const auto& [set, orders] : groups(stories, false)) EXPECT_FALSE(test.contains(set));
}

TEST(Shapes, CountsAreExactAndEveryTestVideoHasATwin) {
  for (const int64_t train : {0, 1, 7, 100}) {
    for (const int64_t test : {0, 2, 3, 5, 6, 9, 41}) {
      if (train + test == 0) continue;
      const ShapesOptions options{.train = train, .test = test, .min_events = 3, .max_events = 4};
      const auto stories = tell_stories(options);
      ASSERT_EQ(std::ssize(stories), train + test);
      EXPECT_EQ(std::count_if(stories.begin(), stories.end(), [](auto& s) { return s.test; }),
                test);
      for (const auto& [set, orders] : groups(stories, true)) EXPECT_GE(orders.size(), 2u);
    }
  }
}

TEST(Shapes, OneOrderLeavesTestVideosWithoutTwins) {
  const ShapesOptions options{.train = 20, .test = 7, .orders = 1, .colours = 8, .shapes = 8};
  options.check("shapes");
  const auto test = groups(tell_stories(options), true);
  EXPECT_EQ(test.size(), 7u);
}

TEST(Shapes, GlimpsesAreOfObjectsThatTheStoryDoesNotTellAndChangeNoStory) {
  ShapesOptions options{.train = 30, .test = 8};
  const auto plain = tell_stories(options);
  options.glimpses = 3;
  const auto stories = tell_stories(options);
  ASSERT_EQ(stories.size(), plain.size());
  for (size_t i = 0; i < stories.size(); ++i) {
    EXPECT_EQ(stories[i].objects, plain[i].objects);
    EXPECT_TRUE(plain[i].glimpses.empty());
    std::set<Object> seen(stories[i].objects.begin(), stories[i].objects.end());
    seen.insert(stories[i].glimpses.begin(), stories[i].glimpses.end());
    EXPECT_EQ(seen.size(), 6u) << "three told and three in passing, all different";
  }
  EXPECT_NE(stories[0].glimpses, stories[1].glimpses);
}

TEST(Shapes, AGlimpseLengthensTheVideoByItsSeconds) {
  test::TempDir dir;
  ShapesOptions options{.event_seconds = 1, .gap_seconds = 0, .glimpse_seconds = 0.5};
  Story story{{{0, 0}, {1, 1}}};
  const double plain = render_video(dir / "plain.mp4", story, options, 1);
  story.glimpses = {{2, 2}, {3, 3}};
  const double with = render_video(dir / "with.mp4", story, options, 1);
  EXPECT_NEAR(plain, 2, 0.4 + 1e-9);  // give or take a sixth each, and a frame's rounding
  EXPECT_NEAR(with, 3, 0.6 + 1e-9);
  EXPECT_GT(with, plain);
}

TEST(Shapes, CaptionsTellTheOrder) {
  const Story story{{{0, 0}, {2, 1}, {5, 3}}, false};
  const auto captions = ordered_captions(story);
  EXPECT_EQ(captions[0], "first a red circle, then a blue square, finally an orange star");
  EXPECT_EQ(captions[1], "a red circle is followed by a blue square and then an orange star");
  EXPECT_EQ(captions[2],
            "an orange star appears after a blue square, which comes after a red circle");
  EXPECT_EQ(
      captions[4],
      "it starts with a red circle, goes on with a blue square, and ends with an orange star");
  EXPECT_EQ(ordered_captions({{{0, 0}, {2, 1}}, false})[1],
            "a red circle is followed by a blue square");
}

TEST(Shapes, TheFolderReadsAsMsrvtt) {
  test::TempDir dir;
  make_shapes(dir.path(), {.train = 9, .test = 4, .event_seconds = 0.5, .gap_seconds = 0.2});
  DataOptions options;
  options.root = dir.path().string();
  const Manifest train = read_split(options, Split::train, 0);
  EXPECT_EQ(train.videos.size(), 9u);
  for (const auto& video : train.videos)
    EXPECT_EQ(video.captions.size(), 6u);  // 5 ordered, 1 single
  const Manifest test = read_split(options, Split::test, 0);
  ASSERT_EQ(test.videos.size(), 4u);
  EXPECT_EQ(test.videos[0].captions.size(), 1u);
  DataOptions other = options;
  other.train = "7k";
  EXPECT_EQ(read_split(other, Split::train, 0).videos.size(), 7u);
  other.test = "shapes_test_single.csv";
  EXPECT_EQ(read_split(other, Split::test, 0).videos.size(), 4u);
  other.dataset = "shapes";
  other.train = "train";
  other.test = "ordered";
  EXPECT_EQ(read_split(other, Split::train, 0).videos.size(), 9u);
  EXPECT_EQ(read_split(other, Split::test, 0).videos[0].captions, test.videos[0].captions);
  other.test = "events";
  const Manifest events = read_split(other, Split::test, 0);
  ASSERT_EQ(events.videos.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(events.videos[i].captions.size(), 3u) << "one for every shape";
    for (const auto& caption : events.videos[i].captions)
      EXPECT_NE(test.videos[i].captions[0].find(caption), std::string::npos) << caption;
  }
  const auto frames = video::read_frames(test.videos[0].path, {.frames = 12, .resolution = 48});
  EXPECT_EQ(frames.valid, 12);
}

TEST(Shapes, MixedCaptionsAreTheOrderedAndTheSingleOfEveryTestVideo) {
  test::TempDir dir;
  make_shapes(dir.path(), {.train = 3, .test = 4, .event_seconds = 0.4, .gap_seconds = 0.1});
  DataOptions options;
  options.dataset = "shapes";
  options.root = dir.path().string();
  const auto read = [&](const std::string& split) {
    options.test = split;
    return read_split(options, Split::test, 0);
  };
  const Manifest ordered = read("ordered"), single = read("single"), mixed = read("mixed");
  EXPECT_EQ(mixed.name, "shapes mixed");
  ASSERT_EQ(mixed.videos.size(), 4u);
  EXPECT_EQ(mixed.captions(), 8);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(mixed.videos[i].id, ordered.videos[i].id);
    EXPECT_EQ(mixed.videos[i].captions, (std::vector<std::string>{ordered.videos[i].captions[0],
                                                                  single.videos[i].captions[0]}));
  }
  test::expect_error([&] { read("nope"); },
                     "(and it is none of shapes: train, ordered, single, events, mixed)");
  dir.write("shapes_test_single.csv", "key,vid_key,video_id,sentence\nret0,msr0,video3,a star\n");
  test::expect_error([&] { read("mixed"); }, "has no caption of one event");
}

TEST(Shapes, TheFilesAreAFunctionOfTheSeedToTheByte) {
  test::TempDir dir;
  ShapesOptions options{.train = 6, .test = 2, .orders = 2, .event_seconds = 0.4, .workers = 1};
  make_shapes(dir / "a", options);
  options.workers = 4;
  make_shapes(dir / "b", options);
  const auto a = files(dir / "a"), b = files(dir / "b");
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : a) EXPECT_TRUE(bytes == b.at(name)) << name;
  options.seed = 1;
  make_shapes(dir / "c", options);
  const auto c = files(dir / "c");
  EXPECT_NE(a.at("videos/all/video0.mp4"), c.at("videos/all/video0.mp4"));
}

TEST(Shapes, StillsAreOneFrameOfOneObject) {
  test::TempDir dir;
  make_shapes(dir.path(), {.train = 4, .test = 2, .stills = true});
  DataOptions options;
  options.root = dir.path().string();
  const Manifest train = read_split(options, Split::train, 0);
  ASSERT_EQ(train.videos.size(), 4u);
  EXPECT_EQ(train.videos[0].captions[1], "there is a red circle");
  EXPECT_EQ(video::read_frames(train.videos[0].path, {.frames = 4, .resolution = 48}).valid, 1);
}

TEST(Shapes, OnlyAnOlderBenchmarkIsOverwrittenAndOnlyOnDemand) {
  test::TempDir dir;
  ShapesOptions options{.train = 3, .test = 0, .stills = true};
  make_shapes(dir / "a", options);
  test::expect_error([&] { make_shapes(dir / "a", options); }, "--overwrite");
  options.overwrite = true;
  options.train = 2;
  make_shapes(dir / "a", options);
  EXPECT_FALSE(fs::exists(dir / "a/videos/all/video2.mp4"));
  dir.write("b/precious.txt", "x");
  test::expect_error([&] { make_shapes(dir / "b", options); }, "make-shapes did not make");
  EXPECT_TRUE(fs::exists(dir / "b/precious.txt"));
}

TEST(Shapes, WhatAKillLeftIsMadeAnew) {
  test::TempDir dir;
  dir.write("a/shapes.unfinished", "");
  dir.write("a/videos/all/video7.mp4", "cut off");
  make_shapes(dir / "a", {.train = 1, .test = 0, .stills = true});
  EXPECT_FALSE(fs::exists(dir / "a/videos/all/video7.mp4"));
  EXPECT_FALSE(fs::exists(dir / "a/shapes.unfinished"));
  EXPECT_TRUE(fs::exists(dir / "a/shapes.json"));
}

TEST(Shapes, WhatCannotBeMadeIsRefused) {
  const auto refused = [](const ShapesOptions& options, const std::string& part) {
    test::expect_error([&] { options.check("shapes"); }, part);
  };
  refused({.train = 0, .test = 0}, "nothing to make");
  refused({.test = 1}, "no twin");
  refused({.min_events = 4}, "min_events is above");
  refused({.min_events = 2, .max_events = 2}, "have only 2 orders");
  refused({.colours = 1, .shapes = 2}, "fewer objects");
  refused({.colours = 2, .shapes = 2, .glimpses = 2}, "fewer objects");
  refused({.test = 2000, .orders = 2}, "raise colours or shapes");
  refused({.width = 97}, "even");
  const auto unnamed = test::error_of([] { ShapesOptions{.test = 1}.check(""); });
  EXPECT_TRUE(unnamed.starts_with("test: a single")) << unnamed;
}

}  // namespace
}  // namespace vtr::data
