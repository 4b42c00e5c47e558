#include "vtr/video/frames.h"

#include "vtr/core/error.h"

namespace vtr::video {

Request VideoOptions::evaluation(int64_t resolution) const {
  return {
      .frames = frames, .resolution = resolution, .sampling = sampling, .crop = crop, .fps = fps};
}

Request VideoOptions::training(int64_t resolution) const {
  return {.frames = frames,
          .resolution = resolution,
          .sampling = train_sampling,
          .crop = train_crop,
          .fps = fps,
          .flip = train_flip,
          .jitter = train_jitter};
}

Normalization normalization(const std::string& name) {
  if (name == "clip")
    return {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}};
  if (name == "imagenet") return {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  if (name == "half") return {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
  throw Error(fmt::format("unknown normalization '{}' (known: clip, imagenet, half)", name));
}

}  // namespace vtr::video
