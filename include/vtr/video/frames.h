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

// Which T of a video's n frames. Every rule is written at its function in sampling.cc.
//   uniform       the middle of each of T equal intervals
//   uniform_ends  from the first to the last frame, both included
//   random        one at random in each of T equal intervals (training)
inline config::Limits sampling_rules() {
  return config::one_of({"uniform", "uniform_ends", "random"});
}

struct VideoOptions {
  int64_t frames = 12;
  std::string sampling = "uniform";
  std::string train_sampling = "uniform";
  std::string crop = "center";
  std::string train_crop = "center";
  std::string normalize = "clip";
  void fields(auto& f) {
    const auto crops = config::one_of({"center", "random_resized"});
    f("frames", frames, "frames taken of a video", config::between(1, 1024));
    f("sampling", sampling, "which frames, in evaluation", sampling_rules());
    f("train_sampling", train_sampling, "which frames, in training", sampling_rules());
    f("crop", crop, "what is cut out of a frame, in evaluation", crops);
    f("train_crop", train_crop, "what is cut out of a frame, in training", crops);
    f("normalize", normalize, "mean and standard deviation of the pixels",
      config::one_of({"clip", "imagenet", "half"}));
  }
};

struct Request {
  int64_t frames = 12;
  int64_t resolution = 224;
  std::string sampling = "uniform";
  std::string crop = "center";  // or "random_resized", or "whole": see Frames
  uint64_t seed = 0;            // of the random rules
};

struct Frames {
  int64_t valid = 0;              // frames the video had; the rest repeat the last one
  int64_t height = 0, width = 0;  // R and R, but for crop "whole": the shorter is R
  std::vector<uint8_t> pixels;    // [T, 3, height, width], RGB
  std::vector<float> seconds;     // [T] into the video, by the container's timestamps
};

// The indices of the T sampled frames of a video of n >= 1 frames, ascending; when n < T, each
// frame once (so fewer than T).
std::vector<int64_t> sample_indices(int64_t n, const Request& request);

// Decodes `path` from its start and returns the sampled frames. A frame count the container states
// wrongly is noticed and the true one used. Throws Error for a file that is missing, has no video
// stream or no decodable frame.
Frames read_frames(const fs::path& path, const Request& request);

// Mean and standard deviation per RGB channel, of pixels in [0, 1].
struct Normalization {
  float mean[3], std[3];
};
Normalization normalization(const std::string& name);

}  // namespace vtr::video
