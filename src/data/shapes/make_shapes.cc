#include "shapes/render.h"
#include "shapes/story.h"
#include "worker_pool.h"

#include "vtr/core/cores.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/data/shapes.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace vtr::data {
namespace {

using Json = nlohmann::ordered_json;

std::string video_id(size_t video) { return fmt::format("video{}", video); }

constexpr const char* kBegun = "shapes.unfinished";  // while it is made, and after a kill

// An empty folder for the benchmark. Only what make_shapes has made or begun is ever removed.
void prepare(const fs::path& out, bool overwrite) {
  if (fs::exists(out) && !(fs::is_directory(out) && fs::is_empty(out))) {
    const bool begun = fs::exists(out / kBegun);
    VTR_CHECK(begun || fs::exists(out / "shapes.json"),
              "{}: holds something that make-shapes did not make; choose another folder",
              out.string());
    VTR_CHECK(begun || overwrite, "{}: holds a benchmark already; --overwrite replaces it",
              out.string());
  }
  fs::create_directories(out);
  write_file(out / kBegun, "");
  fs::remove(out / "shapes.json");
  fs::remove_all(out / "videos" / "all");
  fs::create_directories(out / "videos" / "all");
}

struct Captions {
  std::vector<std::string> ordered;
  std::string single;
};

Captions captions_of(const Story& story, const ShapesOptions& options, uint64_t seed) {
  if (options.stills) {
    auto all = still_captions(story.objects.front());
    return {all, all.front()};
  }
  Rng rng(seed);
  Captions captions{ordered_captions(story),
                    object_name(story.objects[rng.below(story.objects.size())])};
  rng.shuffle(captions.ordered);  // the first one is the test's
  return captions;
}

// Renders every video, in parallel over videos. Returns their lengths in seconds.
std::vector<double> render_all(const fs::path& out, const std::vector<Story>& stories,
                               const ShapesOptions& options) {
  std::vector<std::future<double>> videos;
  const int64_t wanted = options.workers > 0 ? options.workers : cores();
  WorkerPool pool(std::min(wanted, std::ssize(stories)), "workers");
  for (size_t i = 0; i < stories.size(); ++i) {
    videos.push_back(pool.run([&, i] {
      return render_video(out / "videos" / "all" / (video_id(i) + ".mp4"), stories[i], options,
                          derive(static_cast<uint64_t>(options.seed), "pixels", i));
    }));
  }
  std::vector<double> seconds;
  for (auto& video : videos) {
    seconds.push_back(video.get());
    if (seconds.size() % 1000 == 0)
      log::info("[shapes] {} of {} videos", seconds.size(), stories.size());
  }
  return seconds;
}

// A field of a CSV file, quoted because captions hold commas.
std::string row(size_t key, size_t video, const std::string& caption) {
  return fmt::format("ret{},msr{},{},\"{}\"\n", key, video, video_id(video), caption);
}

void write_annotations(const fs::path& out, const std::vector<Story>& stories,
                       const std::vector<double>& seconds, const ShapesOptions& options) {
  Json videos = Json::array(), sentences = Json::array();
  std::string all = "video_id\n", most = "video_id\n";
  std::string ordered = "key,vid_key,video_id,sentence\n", single = ordered, events = ordered;
  const auto train = static_cast<size_t>(options.train);
  size_t key = 0;
  for (size_t i = 0; i < stories.size(); ++i) {
    const auto captions = captions_of(stories[i], options,
                                      derive(static_cast<uint64_t>(options.seed), "captions", i));
    videos.push_back({{"video_id", video_id(i)},
                      {"url", ""},
                      {"category", 0},
                      {"start time", 0.0},
                      {"end time", seconds[i]},
                      {"split", i < train ? "train" : "test"},
                      {"id", i}});
    const auto add = [&](const std::string& caption) {
      sentences.push_back(
          {{"caption", caption}, {"video_id", video_id(i)}, {"sen_id", sentences.size()}});
    };
    for (const auto& caption : captions.ordered) add(caption);
    if (!options.stills) add(captions.single);
    if (i < train) {
      all += video_id(i) + "\n";
      if (i < std::max<size_t>(1, train * 7 / 9)) most += video_id(i) + "\n";
      continue;
    }
    ordered += row(i - train, i, captions.ordered.front());
    single += row(i - train, i, captions.single);
    for (const auto& object : stories[i].objects) events += row(key++, i, object_name(object));
  }
  write_file(out / "MSRVTT_data.json", Json{{"videos", videos}, {"sentences", sentences}}.dump(1));
  write_file(out / "MSRVTT_train.9k.csv", all);
  write_file(out / "MSRVTT_train.7k.csv", most);
  write_file(out / "MSRVTT_JSFUSION_test.csv", ordered);
  write_file(out / "shapes_test_single.csv", single);
  write_file(out / "shapes_test_events.csv", events);
}

// The options as JSON, for whoever finds the folder; written last, so its presence says complete.
struct ToJson {
  Json json;
  template <class T>
  void operator()(const char* name, T& value, const char*, const config::Limits& = {}) {
    json[name] = value;
  }
};

void write_options(const fs::path& out, ShapesOptions options) {
  ToJson to_json;
  options.workers = 0;  // the bytes do not depend on it
  options.overwrite = false;
  options.fields(to_json);
  write_file(out / "shapes.json",
             Json{{"made_by", "vtr data make-shapes"}, {"options", to_json.json}}.dump(1) + "\n");
}

}  // namespace

void make_shapes(const fs::path& out, const ShapesOptions& options) {
  options.check("shapes");
  const auto start = std::chrono::steady_clock::now();
  prepare(out, options.overwrite);
  const auto stories = tell_stories(options);
  const auto seconds = render_all(out, stories, options);
  write_annotations(out, stories, seconds, options);
  write_options(out, options);
  fs::remove(out / kBegun);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  log::info("[shapes] {} training and {} test videos in {} ({:.1f} s, {:.0f} videos/s)",
            options.train, options.test, out.string(), taken.count(),
            static_cast<double>(stories.size()) / std::max(taken.count(), 1e-9));
}

}  // namespace vtr::data
