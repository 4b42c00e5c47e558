// CLIP (Radford et al., ICML 2021) with a ViT image tower, trainable; its parameters have the names
// of OpenAI's archives.
#pragma once

#include "clip/options.h"
#include "clip/text.h"
#include "clip/vision.h"

#include "vtr/models/encoders.h"

namespace vtr::models {

class Clip final : public Encoders {
 public:
  explicit Clip(const ClipOptions& options);  // values undefined until `reset` or loaded
  void reset();                               // OpenAI's initialisation
  EncoderInfo info() const override;
  TextFeatures encode_text(const Tensor& ids, const Tensor& mask, const Wanted& wanted) override;
  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                             const Wanted& wanted) override;
  Tensor logit_scale() override { return logit_scale_; }
  const ClipOptions& options() const { return options_; }

 private:
  ClipOptions options_;
  std::shared_ptr<ClipVision> visual_;
  ClipText text_;
  Tensor logit_scale_;
};

}  // namespace vtr::models
