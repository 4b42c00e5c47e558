// A head that keeps one vector of a text and one of a video; sim is their cosine.
#pragma once

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

// Of the frames there are: frames [M, T, D], mask [M, T] bool -> [M, D].
Tensor frames_mean(const Tensor& frames, const Tensor& mask);
Tensor frames_max(const Tensor& frames, const Tensor& mask);
// CLIP4Clip's: every frame is normalised first.
Tensor unit_frames_mean(const Tensor& frames, const Tensor& mask);

}  // namespace vtr::models
