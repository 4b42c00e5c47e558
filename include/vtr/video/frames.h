// Video files to frames a model can take: sample, decode, resize, crop. Free of LibTorch.
//
//   Frames f = video::read_frames("video0.mp4", {.frames = 12, .resolution = 224});
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/files.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vtr::video {

// The names of the rules that choose T of a video's frames. Each is written at its function in
// sampling.cc.
config::Limits sampling_rules();

// How far the colours of a training video may move, one draw a video; 0: not at all. A strength s
// of the first three is a factor in [1 - s, 1 + s], that of hue a turn in [-s, s] of the circle.
struct Jitter {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  void fields(auto& f) {
    f("brightness", brightness, "strength in training", config::between(0, 1));
    f("contrast", contrast, "strength in training", config::between(0, 1));
    f("saturation", saturation, "strength in training", config::between(0, 1));
    f("hue", hue, "strength in training", config::between(0, 0.5));
  }
  bool any() const { return brightness > 0 || contrast > 0 || saturation > 0 || hue > 0; }
};

struct Request {
  int64_t frames = 12;
  int64_t resolution = 224;
  std::string sampling = "uniform";
  std::string crop = "center";  // or "random_resized", or "whole": see Frames
  uint64_t seed = 0;            // of the random rules
  double fps = 1;               // of the rule `fps`
  double flip = 0;              // probability that the video is mirrored left and right
  Jitter jitter = {};
  double start = 0, end = 0;  // seconds of the file that are read, [start, end); end 0: all
  double time_limit = 0;      // seconds that it may take, looked at after every packet; 0: any
};

struct VideoOptions {
  int64_t frames = 12;
  std::string sampling = "uniform";
  std::string train_sampling = "uniform";
  double fps = 1;
  std::string crop = "center";
  std::string train_crop = "center";
  double train_flip = 0;
  Jitter train_jitter;
  std::string normalize = "clip";
  void fields(auto& f) {
    const auto crops = config::one_of({"center", "random_resized"});
    f("frames", frames, "frames taken of a video", config::between(1, 1024));
    f("sampling", sampling, "which frames, in evaluation", sampling_rules());
    f("train_sampling", train_sampling, "which frames, in training", sampling_rules());
    f("fps", fps, "frames a second that the rule fps looks at", config::between(0.001, 1000));
    f("crop", crop, "what is cut out of a frame, in evaluation", crops);
    f("train_crop", train_crop, "what is cut out of a frame, in training", crops);
    f("train_flip", train_flip, "probability of mirroring a video, in training",
      config::between(0, 1));
    f("train_jitter", train_jitter, "colours");
    f("normalize", normalize, "mean and standard deviation of the pixels",
      config::one_of({"clip", "imagenet", "half"}));
  }
  Request evaluation(int64_t resolution) const;
  Request training(int64_t resolution) const;
};

// Whether what is read depends on the request's seed: which frames, or what becomes of them (also
// of crop "whole", which leaves that to the reader).
bool picks_at_random(const Request& request);
bool changes_pictures(const Request& request);
bool is_random(const Request& request);

// A video's frames in the order they are shown.
struct Timeline {
  std::vector<double> seconds;  // [n] since the first frame, ascending
  double fps = 0;               // as the container states it; 0 where it does not
};

// The indices of the T sampled frames, ascending, each once: fewer than T where [start, end) has
// fewer or the rule takes fewer, none where it has none. A segment between two frames has the one
// that is on show.
std::vector<int64_t> sample_indices(const Timeline& timeline, const Request& request);

struct Frames {
  int64_t valid = 0;              // frames the rule took; the rest repeat the last one
  int64_t height = 0, width = 0;  // R and R, but for crop "whole": the shorter is R
  std::vector<uint8_t> pixels;    // [T, 3, height, width], RGB
  std::vector<int64_t> indices;   // [T] in the video
  std::vector<float> seconds;     // [T] since the first frame, or since `start`
};

// Decodes what is needed of `path` for the sampled frames. The frames are counted, whatever the
// container states. Throws VideoError (vtr/video/probe.h).
Frames read_frames(const fs::path& path, const Request& request);

// Mean and standard deviation per RGB channel, of pixels in [0, 1].
struct Normalization {
  float mean[3], std[3];
};
Normalization normalization(const std::string& name);

}  // namespace vtr::video
