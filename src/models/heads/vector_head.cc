#include "heads/vector_head.h"

#include "heads/heads.h"

#include <torch/types.h>

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

Tensor unit_frames_mean(const Tensor& frames, const Tensor& mask) {
  return frames_mean(unit(frames), mask);
}

}  // namespace vtr::models
