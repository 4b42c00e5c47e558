#include "features.h"

#include "vtr/core/error.h"
#include "vtr/report/progress.h"

#include <torch/torch.h>

#include <algorithm>

namespace vtr::train {
namespace {

constexpr int64_t kBatch = 32;

void refuse_change(bool changes, const char* why) {
  VTR_CHECK(!changes, "train.encode_once: features would change: {}", why);
}

}  // namespace

models::VideoFeatures SplitFeatures::select(const Tensor& index) const {
  const Tensor here = index.to(all.frames.device());
  const auto rows = [&](const Tensor& x) { return x.defined() ? x.index_select(0, here) : x; };
  return {rows(all.frames), rows(all.patches), rows(all.mask), rows(all.times)};
}

SplitFeatures encode_split(models::Retriever& model, data::Manifest& manifest,
                           data::LoaderSettings settings, const std::string& precision) {
  refuse_change(video::is_random(settings.video.training(settings.resolution)),
                "video.train_sampling, train_crop, train_flip or train_jitter is random");
  settings.video.sampling = settings.video.train_sampling;
  settings.video.crop = settings.video.train_crop;
  data::VideoLoader loader(manifest, settings, kBatch);
  report::Progress progress("encode", "videos", static_cast<int64_t>(manifest.videos.size()));
  model.eval();  // the caller turns training on
  std::vector<models::VideoFeatures> parts;
  while (auto batch = loader.next()) {
    const auto features = model.encode(batch->pixels, batch->mask, batch->times, precision);
    refuse_change(features.frames.requires_grad(),
                  "the image tower trains (train.freeze=[clip.visual.*] holds it)");
    parts.push_back(features);
    progress.advance(batch->mask.size(0));
  }
  VTR_CHECK(!parts.empty(), "{}: no video can be read", manifest.name);
  auto skipped = loader.skipped();
  for (auto v = skipped.rbegin(); v != skipped.rend(); ++v)
    manifest.videos.erase(manifest.videos.begin() + *v);
  const auto joined = [&](Tensor models::VideoFeatures::*part) {
    std::vector<Tensor> tensors;
    for (const auto& features : parts) tensors.push_back(features.*part);
    return tensors.front().defined() ? torch::cat(tensors) : Tensor();
  };
  using models::VideoFeatures;
  return {{joined(&VideoFeatures::frames), joined(&VideoFeatures::patches),
           joined(&VideoFeatures::mask), joined(&VideoFeatures::times)}};
}

}  // namespace vtr::train
