#include "step.h"

#include "vtr/core/error.h"

#include <torch/torch.h>

namespace vtr::train {
namespace {

// True off the diagonal where two pairs of the batch show the same video.
Tensor duplicate_pairs(const Tensor& video_index) {
  return video_index.unsqueeze(0).eq(video_index.unsqueeze(1)).fill_diagonal_(false);
}

}  // namespace

Step::Step(models::Retriever& model, const TrainOptions& options)
    : model_(model), precision_(options.precision), loss_(losses::make_loss(options.loss)) {}

Tensor Step::backward(const data::Batch& batch, double factor) {
  const auto text = texts(batch);
  const auto video = videos(batch);
  const Tensor sim = model_.head().score(text, video);  // [B, B]
  const Tensor scale = model_.encoders().logit_scale();
  Tensor value = loss_({sim, scale, duplicate_pairs(batch.video_index).to(sim.device())});
  if (const Tensor more = model_.head().penalty(text, video); more.defined()) value = value + more;
  VTR_CHECK(value.requires_grad(), "nothing to train: every parameter is frozen or unused");
  (factor == 1 ? value : value * factor).backward();
  return value.detach();
}

models::TextState Step::texts(const data::Batch& batch) {
  auto& head = model_.head();
  const auto wanted = head.wants();
  if (features_ && features_->has_texts()) {
    return head.text(
        models::to(features_->texts(batch.caption_index, wanted.padding), model_.device()));
  }
  return head.text(model_.encode_text(batch.text.ids, batch.text.mask, precision_, wanted));
}

models::VideoState Step::videos(const data::Batch& batch) {
  auto& head = model_.head();
  if (features_) {
    return head.video(models::to(features_->videos(batch.video_index), model_.device()));
  }
  const auto& [pixels, mask, times] = batch.video;
  return head.video(model_.encode_video(pixels, mask, times, precision_, head.wants()));
}

}  // namespace vtr::train
