#include "clip/clip.h"

#include "clip/entry.h"
#include "encoder_entries.h"

#include "vtr/models/towers.h"

#include <torch/types.h>

#include <cmath>

namespace vtr::models {

Clip::Clip(const ClipOptions& options)
    : options_(options),
      visual_(register_module("visual", std::make_shared<ClipVision>(options))),
      text_(*this, options),
      logit_scale_(register_parameter("logit_scale", at::scalar_tensor(std::log(1 / 0.07)))) {
  for (const auto& item : named_parameters()) pretrained_.insert(item.key());
  if (options.linear_patch == "3d") visual_->add_conv2();
}

void Clip::reset() {
  visual_->reset();
  text_.reset();
  const torch::NoGradGuard no_grad;
  logit_scale_.fill_(std::log(1 / 0.07));
}

void Clip::reset_added() {
  if (options_.linear_patch == "3d") visual_->reset_conv2();
}

TensorMap Clip::own_parameters(bool pretrained) const {
  TensorMap result;
  for (const auto& item : named_parameters()) {
    if (pretrained_.contains(item.key()) == pretrained)
      result.emplace_back(item.key(), item.value());
  }
  return result;
}

EncoderInfo Clip::info() const {
  return {.width = options_.embed_dim,
          .resolution = options_.image_resolution,
          .context = options_.context,
          .vocab = options_.vocab,
          .gives = {.tokens = true, .patches = true}};
}

TextFeatures Clip::encode_text(const Tensor& ids, const Tensor& mask, const Wanted& wanted) {
  return text_.forward(ids, mask, wanted.tokens);
}

VideoFeatures Clip::encode_video(const Tensor& pixels, const Tensor& mask, const Wanted& wanted) {
  const Tensor x = visual_->embed(pixels, seen(mask));  // padded frames cost but do no harm
  ClipTransformer& transformer = visual_->transformer();
  const int64_t length = visual_->length();
  return features(wanted.patches ? transformer.forward(x, length, /*causal=*/false)
                                 : transformer.first(x, length),
                  mask, wanted);
}

bool Clip::recompute_blocks() {
  visual_->transformer().recompute_blocks();
  text_.transformer().recompute_blocks();
  return true;
}

int64_t Clip::kept_bytes(const ItemSize& item, bool half) {
  return (trains(*this, Tower::image)
              ? visual_->transformer().kept_bytes(item.frames * visual_->length(), half)
              : 0) +
         (trains(*this, Tower::text) ? text_.transformer().kept_bytes(item.words, half) : 0);
}

Tensor Clip::seen(const Tensor& mask) const {
  return options_.see_padding ? at::ones_like(mask) : mask;
}

VideoFeatures Clip::features(const Tensor& x, const Tensor& mask, const Wanted& wanted) {
  const int64_t batch = mask.size(0), frames = mask.size(1), width = x.size(1);
  const Tensor tokens = x.view({batch, frames, x.size(0) / (batch * frames), width});
  if (!wanted.patches) return {visual_->project(tokens.select(2, 0)), {}, mask};
  const Tensor all = visual_->project(tokens);  // [B, T, L, D]
  return {all.select(2, 0), all.narrow(2, 1, all.size(2) - 1), mask};
}

EncoderEntry clip_encoder() {
  return clip_entry<Clip, ClipOptions>("clip", "CLIP with a ViT image tower, trainable");
}

}  // namespace vtr::models
