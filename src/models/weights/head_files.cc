#include "vtr/models/weights/head_files.h"

#include "weights/fit.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/models/weights/copy.h"

#include <torch/types.h>

#include <algorithm>

namespace vtr::models {
namespace {

class Features {
 public:
  Features(const TensorMap& tensors, std::string what)
      : tensors_(tensors), what_(std::move(what)) {}

  // Undefined when it is not there and not needed.
  Tensor find(const char* name, int64_t dims, bool needed) const {
    const auto found =
        std::ranges::find_if(tensors_, [&](const auto& item) { return item.first == name; });
    if (found == tensors_.end()) {
      VTR_CHECK(!needed, "{}: no tensor '{}'", what_, name);
      return {};
    }
    const Tensor& x = found->second;
    VTR_CHECK(x.dim() == dims && x.numel() > 0,
              "{}: '{}' has the shape [{}], {} dimensions are needed", what_, name,
              fmt::join(x.sizes().vec(), ", "), dims);
    if (!x.is_floating_point()) return x;
    VTR_CHECK(x.isfinite().all().item<bool>(), "{}: '{}' holds NaN or infinity", what_, name);
    return x.to(torch::kFloat);
  }

  // Its first dimensions must be those of `like`.
  Tensor find(const char* name, int64_t dims, bool needed, at::IntArrayRef like) const {
    const Tensor x = find(name, dims, needed);
    VTR_CHECK(!x.defined() || x.sizes().slice(0, like.size()) == like,
              "{}: '{}' has the shape [{}], but the others begin with [{}]", what_, name,
              fmt::join(x.sizes().vec(), ", "), fmt::join(like.vec(), ", "));
    return x;
  }

  Tensor mask(const char* name, at::IntArrayRef shape) const {
    const Tensor x = find(name, static_cast<int64_t>(shape.size()), false, shape);
    if (!x.defined()) return torch::ones(shape, torch::kBool);
    const Tensor mask = x.ne(0);
    VTR_CHECK(mask.any(-1).all().item<bool>(), "{}: '{}' has a row that is empty", what_, name);
    return mask;
  }

  void check_width(const Tensor& x, int64_t width, const char* name) const {
    VTR_CHECK(!x.defined() || x.size(-1) == width, "{}: '{}' has the width {}, the others {}",
              what_, name, x.size(-1), width);
  }

 private:
  const TensorMap& tensors_;
  std::string what_;
};

// The head's tensors among `tensors` under the one prefix that finds most of them: the names of
// other parts ("clip.text_model...layer_norm1.weight") may end like the head's own.
TensorMap under_one_prefix(const Head& head, const TensorMap& own, const TensorMap& tensors) {
  std::map<std::string, TensorMap> by_prefix;
  for (const auto& [name, tensor] : tensors) {
    for (size_t at = 0; at != std::string::npos;) {
      const std::string here = head.name_here(name.substr(at));
      const auto is_here = [&](const auto& item) { return item.first == here; };
      if (std::ranges::any_of(own, is_here))
        by_prefix[name.substr(0, at)].emplace_back(here, tensor);
      const size_t dot = name.find('.', at);
      at = dot == std::string::npos ? dot : dot + 1;
    }
  }
  const auto most =
      std::ranges::max_element(by_prefix, {}, [](const auto& item) { return item.second.size(); });
  return most == by_prefix.end() ? TensorMap() : most->second;
}

}  // namespace

TextFeatures text_features(const TensorMap& tensors, const std::string& what) {
  const Features features(tensors, what);
  const Tensor pooled = features.find("pooled", 2, true);
  const Tensor tokens = features.find("tokens", 3, false, {pooled.size(0)});
  features.check_width(tokens, pooled.size(1), "tokens");
  if (!tokens.defined()) return {pooled, {}, torch::ones({pooled.size(0), 1}, torch::kBool)};
  return {pooled, tokens, features.mask("text_mask", tokens.sizes().slice(0, 2))};
}

VideoFeatures video_features(const TensorMap& tensors, const std::string& what) {
  const Features features(tensors, what);
  const Tensor frames = features.find("frames", 3, true);
  const auto shape = frames.sizes().slice(0, 2);
  const Tensor patches = features.find("patches", 4, false, shape);
  features.check_width(patches, frames.size(2), "patches");
  return {frames, patches, features.mask("frame_mask", shape),
          features.find("times", 2, false, shape)};
}

void load_head(Head& head, const TensorMap& tensors, const std::string& what) {
  const TensorMap own = named_tensors(head);
  TensorMap mine = under_one_prefix(head, own, tensors);
  for (auto& [name, tensor] : mine) tensor = cut_positions(name, tensor, own);
  if (mine.size() < tensors.size()) {
    log::info("[score] {}: {} of its {} tensors are not this head's", what,
              tensors.size() - mine.size(), tensors.size());
  }
  require_finite(mine, what);
  copy_parameters(head, mine, what);
}

}  // namespace vtr::models
