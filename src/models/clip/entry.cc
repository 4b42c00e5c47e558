#include "clip/entry.h"

#include "vtr/core/error.h"
#include "vtr/models/weights/copy.h"
#include "vtr/models/weights/weights.h"

#include <algorithm>

namespace vtr::models {
namespace {

Weights open_clip(const std::string& path) {
  Weights weights = open_weights(path);
  VTR_CHECK(weights.info.encoders == "clip",
            "{}: a {} cannot be read as a CLIP: use model.encoder.name={}", path, weights.info.kind,
            weights.info.encoders);
  return weights;
}

void load(Clip& clip, const TensorMap& tensors, const std::string& path) {
  const TensorMap added = clip.own_parameters(/*pretrained=*/false);
  TensorMap shared, own;
  for (const auto& item : tensors) {
    const bool ours =
        std::ranges::any_of(added, [&](const auto& one) { return one.first == item.first; });
    (ours ? own : shared).push_back(item);
  }
  copy_parameters(clip.own_parameters(/*pretrained=*/true), shared, path);
  clip.reset_added();
  if (!own.empty()) copy_parameters(added, own, path);
}

}  // namespace

config::Node with_clip_sizes(const config::Node& options, const std::string& path) {
  return path.empty() ? options : merge_sizes(options, open_clip(path).info.options, path);
}

std::shared_ptr<Encoders> make_clip(const ClipBuilder& build, const config::Node& options,
                                    const std::string& path) {
  if (path.empty()) {
    const auto clip = build(options);
    clip->reset();
    clip->reset_added();
    return clip;
  }
  const Weights weights = open_clip(path);
  require_finite(weights.tensors, path);
  const auto clip = build(merge_sizes(options, weights.info.options, path));
  load(*clip, weights.tensors, path);
  return clip;
}

}  // namespace vtr::models
