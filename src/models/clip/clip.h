// CLIP (Radford et al., ICML 2021) with a ViT image tower, trainable; its parameters have the names
// of OpenAI's archives. The published systems that change its towers derive from it (variants/).
#pragma once

#include "clip/options.h"
#include "clip/text.h"
#include "clip/vision.h"

#include "vtr/models/encoders.h"
#include "vtr/models/weights/safetensors.h"

#include <set>
#include <string>

namespace vtr::models {

class Clip : public Encoders {
 public:
  explicit Clip(const ClipOptions& options);  // values undefined until `reset` or loaded
  void reset();                               // OpenAI's initialisation
  // The start of what is not OpenAI's, which may be made of CLIP's own values.
  virtual void reset_added();
  TensorMap own_parameters(bool pretrained) const;  // OpenAI's, or the others

  EncoderInfo info() const override;
  TextFeatures encode_text(const Tensor& ids, const Tensor& mask, const Wanted& wanted) override;
  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                             const Wanted& wanted) override;
  Tensor logit_scale() override { return logit_scale_; }
  bool recompute_blocks() override;
  int64_t kept_bytes(const ItemSize& item, bool half) override;
  const ClipOptions& options() const { return options_; }

 protected:
  ClipVision& visual() { return *visual_; }
  ClipText& text() { return text_; }
  // Frames [B, T] that others may see, of the mask.
  Tensor seen(const Tensor& mask) const;
  // x [B*T*L, W] after the last block, mask [B, T].
  VideoFeatures features(const Tensor& x, const Tensor& mask, const Wanted& wanted);

 private:
  ClipOptions options_;
  std::shared_ptr<ClipVision> visual_;
  ClipText text_;
  Tensor logit_scale_;
  std::set<std::string> pretrained_;  // names
};

}  // namespace vtr::models
