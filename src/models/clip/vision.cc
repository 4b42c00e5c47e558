#include "clip/vision.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::models {

ClipVision::ClipVision(const ClipOptions& options)
    : patch_(options.patch),
      side_(options.image_resolution / options.patch),
      width_(options.vision_width),
      class_embedding_(register_parameter("class_embedding", at::empty({width_}))),
      positional_embedding_(
          register_parameter("positional_embedding", at::empty({1 + side_ * side_, width_}))),
      proj_(register_parameter("proj", at::empty({width_, options.embed_dim}))),
      ln_pre_(
          register_module("ln_pre", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width_})))),
      ln_post_(
          register_module("ln_post", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width_})))),
      transformer_(register_module("transformer",
                                   std::make_shared<ClipTransformer>(options.vision_tower()))) {
  const auto conv1 = register_module("conv1", std::make_shared<torch::nn::Module>());
  conv1_ = conv1->register_parameter("weight", at::empty({width_, 3, patch_, patch_}));
}

void ClipVision::reset() {
  const torch::NoGradGuard no_grad;
  const double scale = 1 / std::sqrt(static_cast<double>(width_));
  const double bound =
      1 / std::sqrt(3.0 * static_cast<double>(patch_ * patch_));  // nn.Conv2d's own
  class_embedding_.normal_(0, scale);
  positional_embedding_.normal_(0, scale);
  proj_.normal_(0, scale);
  conv1_.uniform_(-bound, bound);
  transformer_->reset();
}

void ClipVision::add_conv2() {
  const auto conv2 = register_module("conv2", std::make_shared<torch::nn::Module>());
  conv2_ = conv2->register_parameter("weight", at::empty({width_, 3, 3, patch_, patch_}));
}

void ClipVision::reset_conv2() {
  const torch::NoGradGuard no_grad;
  conv2_.zero_().select(2, 1).copy_(conv1_);
}

// A convolution whose windows do not overlap is a matrix product of patches, whose result is in the
// order the blocks want.
Tensor ClipVision::patches(const Tensor& pixels) const {
  return pixels.flatten(0, 1)
      .view({-1, 3, side_, patch_, side_, patch_})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({-1, 3 * patch_ * patch_});
}

Tensor ClipVision::conv2(const Tensor& pixels, const Tensor& mask) const {
  const Tensor seen = pixels * mask.view({-1, mask.size(1), 1, 1, 1}).to(pixels.dtype());
  const Tensor weight =
      conv2_.transpose(1, 2).reshape({width_, 3, -1}).transpose(0, 1);  // [3, W, .]
  const auto parts =
      at::linear(patches(seen), weight.flatten(0, 1))
          .view({mask.size(0), mask.size(1), -1, 3, width_})
          .unbind(3);  // [B, T, P, W] for the frame after, the frame itself, the one before
  const int64_t others = mask.size(1) - 1;
  const Tensor none = at::zeros_like(parts[1].narrow(1, 0, 1));
  const Tensor x = parts[1] + at::cat({none, parts[0].narrow(1, 0, others)}, 1) +
                   at::cat({parts[2].narrow(1, 1, others), none}, 1);
  return x.flatten(0, 1);
}

Tensor ClipVision::embed(const Tensor& pixels, const Tensor& mask) {
  const int64_t resolution = patch_ * side_;
  VTR_CHECK(pixels.dim() == 5 && pixels.size(2) == 3 && pixels.size(3) == resolution &&
                pixels.size(4) == resolution,
            "pixels [B, T, 3, {0}, {0}] are needed, got [{1}]", resolution,
            fmt::join(pixels.sizes().vec(), ", "));
  const Tensor x =
      conv2_.defined()
          ? conv2(pixels, mask)
          : at::linear(patches(pixels), conv1_.flatten(1)).view({-1, side_ * side_, width_});
  const Tensor first = class_embedding_.expand({x.size(0), 1, width_});
  const Tensor all = at::cat({first, x}, 1).add_(positional_embedding_);  // [B*T, 1 + P, W]
  return ln_pre_(all).view({-1, width_});
}

Tensor ClipVision::project(const Tensor& x) { return at::matmul(ln_post_(x), proj_); }

}  // namespace vtr::models
