#include "heads/vector_head.h"

#include "heads/heads.h"

#include <torch/types.h>

#include <limits>

namespace vtr::models {

TextState VectorHead::text(const TextFeatures& features) {
  return State::Items{{"text", unit(text_vector(features))}};
}

VideoState VectorHead::video(const VideoFeatures& features) {
  return State::Items{{"video", unit(video_vector(features))}};
}

Tensor VectorHead::score(const TextState& text, const VideoState& video) {
  return text["text"].matmul(video["video"].t());
}

Tensor frames_mean(const Tensor& frames, const Tensor& mask) {
  const Tensor there = mask.unsqueeze(-1).to(frames.scalar_type());  // [M, T, 1]
  return (frames * there).sum(1) / there.sum(1);
}

Tensor frames_max(const Tensor& frames, const Tensor& mask) {
  const double lowest = -std::numeric_limits<double>::infinity();
  return frames.masked_fill(mask.logical_not().unsqueeze(-1), lowest).amax(1);
}

Tensor unit_frames_mean(const Tensor& frames, const Tensor& mask) {
  return frames_mean(unit(frames), mask);
}

}  // namespace vtr::models
