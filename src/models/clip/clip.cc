#include "clip/clip.h"

#include "encoder_entries.h"

#include "vtr/core/error.h"
#include "vtr/models/weights/copy.h"
#include "vtr/models/weights/weights.h"

#include <torch/torch.h>

#include <cmath>

namespace vtr::models {
namespace {

constexpr const char* kPath = "model.encoder";

Weights open_clip(const std::string& path) {
  Weights weights = open_weights(path);
  VTR_CHECK(weights.info.encoders == "clip",
            "{}: a {} cannot be read as a CLIP: use model.encoder.name={}", path, weights.info.kind,
            weights.info.encoders);
  return weights;
}

ClipOptions resolve(const config::Node& options, const Weights& weights, const std::string& path) {
  return config::read<ClipOptions>(merge_sizes(options, weights.info.options, path), kPath);
}

config::Node infer(const config::Node& node, const std::string& path) {
  ClipOptions options =
      path.empty() ? config::read<ClipOptions>(node, kPath) : resolve(node, open_clip(path), path);
  options.vision_heads = options.vision_tower().heads;
  options.text_heads = options.text_tower().heads;
  return config::write(options);
}

std::shared_ptr<Encoders> make(const config::Node& node, const std::string& path) {
  if (path.empty()) {
    const auto clip = std::make_shared<Clip>(config::read<ClipOptions>(node, kPath));
    clip->reset();
    return clip;
  }
  const Weights weights = open_clip(path);
  require_finite(weights.tensors, path);
  const auto clip = std::make_shared<Clip>(resolve(node, weights, path));
  copy_parameters(*clip, weights.tensors, path);
  return clip;
}

}  // namespace

Clip::Clip(const ClipOptions& options)
    : options_(options),
      visual_(register_module("visual", std::make_shared<ClipVision>(options))),
      text_(*this, options),
      logit_scale_(register_parameter("logit_scale", at::scalar_tensor(std::log(1 / 0.07)))) {}

void Clip::reset() {
  visual_->reset();
  text_.reset();
  const torch::NoGradGuard no_grad;
  logit_scale_.fill_(std::log(1 / 0.07));
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
  VTR_CHECK(pixels.dim() == 5, "pixels [B, T, 3, R, R] are needed, got [{}]",
            fmt::join(pixels.sizes().vec(), ", "));
  const int64_t batch = pixels.size(0), frames = pixels.size(1), width = options_.embed_dim;
  const Tensor images = pixels.flatten(0, 1);  // [B*T, 3, R, R]; padded frames cost but do no harm
  if (!wanted.patches) return {visual_->forward(images).view({batch, frames, width}), {}, mask};
  const Tensor tokens = visual_->tokens(images).view({batch, frames, -1, width});  // [B, T, 1+P, D]
  return {tokens.select(2, 0), tokens.narrow(2, 1, tokens.size(2) - 1), mask};
}

EncoderEntry clip_encoder() {
  return {"clip", "CLIP with a ViT image tower, trainable", config::schema<ClipOptions>(), infer,
          make};
}

}  // namespace vtr::models
