#include "clip/vision.h"

#include "vtr/core/error.h"

#include <torch/torch.h>

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

Tensor ClipVision::embed(const Tensor& pixels) {
  const int64_t resolution = patch_ * side_;
  VTR_CHECK(pixels.dim() == 4 && pixels.size(1) == 3 && pixels.size(2) == resolution &&
                pixels.size(3) == resolution,
            "frames of [3, {0}, {0}] are needed, got [{1}]", resolution,
            fmt::join(pixels.sizes().vec(), ", "));
  // The convolution's windows do not overlap: it is a matrix product of patches, whose result is in
  // the order the blocks want. [N, 3, R, R] -> [N, side, side, 3, patch, patch] -> [N*P, 3
  // patch^2].
  const Tensor patches = pixels.view({-1, 3, side_, patch_, side_, patch_})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({-1, 3 * patch_ * patch_});
  const Tensor x = at::linear(patches, conv1_.flatten(1)).view({-1, side_ * side_, width_});
  const Tensor first = class_embedding_.expand({x.size(0), 1, width_});
  const Tensor all = at::cat({first, x}, 1).add_(positional_embedding_);  // [N, 1 + P, W]
  return ln_pre_(all).view({-1, width_});
}

Tensor ClipVision::forward(const Tensor& pixels) {
  const Tensor x = transformer_->first(embed(pixels), 1 + side_ * side_);  // [N, W]
  return at::matmul(ln_post_(x), proj_);
}

Tensor ClipVision::tokens(const Tensor& pixels) {
  const int64_t length = 1 + side_ * side_;
  const Tensor x = transformer_->forward(embed(pixels), length, /*causal=*/false);  // [N*L, W]
  return at::matmul(ln_post_(x), proj_).view({-1, length, proj_.size(1)});
}

}  // namespace vtr::models
