// A whole model small enough for a test, and a training batch for it.
#pragma once

#include "support/tiny_clip.h"

#include "vtr/data/loader.h"
#include "vtr/models/retriever.h"

#include <memory>
#include <string>

namespace vtr::test {

constexpr int64_t kTinyFrames = 4, kTinyWords = 9;

inline std::shared_ptr<models::Retriever> tiny_retriever(const config::Choice& head,
                                                         const config::Choice& encoder) {
  torch::manual_seed(1);
  models::ModelOptions options;
  options.encoder = encoder;
  options.head = head;
  models::PixelNorm norm;
  norm.mean.fill(0.5F);
  norm.std.fill(0.25F);
  auto model = models::make_retriever(models::resolve(options, false), kTinyFrames, kTinyWords,
                                      norm, /*load_weights=*/true);
  const torch::NoGradGuard no_grad;  // off the start, so that no term hides behind a one or a zero
  for (auto& p : model->head().parameters()) p.add_(0.05 * torch::randn_like(p));
  return model;
}

inline std::shared_ptr<models::Retriever> tiny_retriever(const config::Choice& head,
                                                         const config::Node& clip) {
  return tiny_retriever(head, config::Choice{"clip", clip});
}

// Pairs of 2 to 9 words and 1 to 4 frames, in which the first and the last show the same video.
inline data::Batch tiny_training_batch(int64_t pairs, int64_t resolution = 32) {
  torch::manual_seed(2);
  std::vector<int64_t> words, frames;
  for (int64_t i = 0; i < pairs; ++i) {
    words.push_back(2 + i * 5 % 8);
    frames.push_back(1 + (i + 3) % kTinyFrames);
  }
  data::Batch batch;
  batch.text.mask = lengths_mask(words, kTinyWords);
  batch.text.ids = at::randint(2, 98, {pairs, kTinyWords}, at::kLong) * batch.text.mask;
  batch.text.ids.scatter_(1, torch::tensor(words).sub_(1).unsqueeze(1), 99);
  batch.video.pixels =
      at::randint(0, 256, {pairs, kTinyFrames, 3, resolution, resolution}, at::kByte);
  batch.video.mask = lengths_mask(frames, kTinyFrames);
  batch.video.times = at::arange(kTinyFrames, at::kFloat).expand({pairs, -1}).contiguous();
  batch.video_index = at::arange(pairs).remainder_(pairs - 1);
  batch.caption_index = at::arange(pairs);
  return batch;
}

}  // namespace vtr::test
