// A head that keeps one vector of a text and one of a video; sim is their cosine.
#pragma once

#include "pooling.h"

#include "vtr/models/head.h"

namespace vtr::models {

class VectorHead : public Head {
 public:
  TextState text(const TextFeatures& features) final;
  VideoState video(const VideoFeatures& features) final;
  Tensor score(const TextState& text, const VideoState& video) final;
  int64_t pair_bytes() const final { return sizeof(float); }

 protected:
  virtual Tensor text_vector(const TextFeatures& features) { return features.pooled; }  // [N, D']
  virtual Tensor video_vector(const VideoFeatures& features) = 0;                       // [M, D']
};

// CLIP4Clip's mean, of frames that are normalised first: [M, T, D], [M, T] bool -> [M, D].
Tensor unit_frames_mean(const Tensor& frames, const Tensor& mask);

}  // namespace vtr::models
