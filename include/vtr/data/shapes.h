// A generated benchmark in MSR-VTT's own file formats. Each video shows coloured shapes one after
// another; its captions tell all of them in order, or one. Test videos come in groups that show the
// same shapes in different orders: who does not see order finds the right one of a group with
// probability 1 / orders. Glimpses are shapes that are seen for a moment and told by no caption.
//
//   data::make_shapes("data/shapes", {.train = 2000, .test = 400});
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/files.h"

#include <cstdint>

namespace vtr::data {

struct ShapesOptions {
  int64_t seed = 0;
  int64_t train = 2000;
  int64_t test = 400;
  int64_t min_events = 3;
  int64_t max_events = 3;
  int64_t orders = 4;
  int64_t train_orders = 3;
  int64_t colours = 4;
  int64_t shapes = 4;
  int64_t width = 96;
  int64_t height = 72;
  int64_t fps = 10;
  double event_seconds = 1.2;
  double gap_seconds = 0.3;
  int64_t glimpses = 0;
  double glimpse_seconds = 0.5;
  bool stills = false;
  int64_t workers = 0;
  bool overwrite = false;
  void fields(auto& f) {
    using namespace config;
    f("seed", seed, "the same seed and options give the same stories and pictures", at_least(0));
    f("train", train, "training videos", at_least(0));
    f("test", test, "test videos", at_least(0));
    f("min_events", min_events, "fewest shapes of a video", between(1, 5));
    f("max_events", max_events, "most shapes of a video", between(1, 5));
    f("orders", orders, "test videos with the same shapes, each in another order", between(1, 120));
    f("train_orders", train_orders, "the same in training", between(1, 120));
    f("colours", colours, "colours that shapes may have", between(1, 8));
    f("shapes", shapes, "kinds of shape", between(1, 8));
    f("width", width, "of a video, even", between(32, 1920));
    f("height", height, "of a video, even", between(32, 1080));
    f("fps", fps, "frames a second", between(1, 60));
    f("event_seconds", event_seconds, "a shape is seen so long, give or take a sixth",
      between(0.1, 60));
    f("gap_seconds", gap_seconds, "an empty stretch lasts so long, give or take a third",
      between(0, 60));
    f("glimpses", glimpses, "shapes of a video that no caption tells", between(0, 8));
    f("glimpse_seconds", glimpse_seconds, "one of them is seen so long, give or take a sixth",
      between(0.1, 60));
    f("stills", stills, "one frame with one shape a video, to learn the words from");
    f("workers", workers, "threads; 0: one per core", between(0, 1024));
    f("overwrite", overwrite, "replace a benchmark that was made in the folder before");
  }
  void check(const std::string& path) const;
};

// Writes MSRVTT_data.json, MSRVTT_train.9k.csv, MSRVTT_train.7k.csv (the first seven ninths),
// MSRVTT_JSFUSION_test.csv (an ordered caption a video), shapes_test_single.csv (a caption of one
// shape instead), shapes_test_events.csv (one of every shape, a row each), videos/all/ and
// shapes.json (the options). Throws Error for a folder that holds something else, or that holds a
// benchmark and `overwrite` is off.
void make_shapes(const fs::path& out, const ShapesOptions& options);

}  // namespace vtr::data
