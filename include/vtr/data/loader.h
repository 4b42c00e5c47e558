// Batches, read ahead by worker threads and handed out in order. What a batch holds is a function
// of (seed, step) alone, whatever the number of workers; what waits to be handed out fits
// data.prefetch_mb. The parts of `world` ranks together are the batch of one.
//
//   TrainLoader loader(train, tokenizer, settings, 32, first_step);
//   for (int64_t step = first_step; step < steps; ++step) { Batch batch = loader.next(); ... }
#pragma once

#include "vtr/core/tensor.h"
#include "vtr/data/manifest.h"
#include "vtr/data/share.h"
#include "vtr/text/tokenizer.h"
#include "vtr/video/frames.h"

#include <memory>
#include <optional>

namespace vtr::data {

class FrameStore;

struct TextBatch {
  Tensor ids;           // [B, L] int64, L the longest of the batch
  Tensor mask;          // [B, L] bool
  int64_t truncated{};  // texts that lost their tail
};
struct VideoBatch {
  Tensor pixels;  // [U, T, 3, R, R] uint8
  Tensor mask;    // [U, T] bool
  Tensor times;   // [U, T] float, seconds
};
// B pairs of U videos, each with B / U captions one after another.
struct Batch {
  TextBatch text;        // [B]
  VideoBatch video;      // [U]
  Tensor video_index;    // [U] int64, which video of the manifest: equal ones are no negatives
  Tensor caption_index;  // [B] int64, which caption of all the manifest's, in its order
  int64_t captions_per_video() const { return caption_index.size(0) / video_index.size(0); }
};

struct LoaderSettings {
  DataOptions data;
  video::VideoOptions video;
  int64_t max_words = 32;
  int64_t resolution = 224;
  uint64_t seed = 0;
  std::shared_ptr<const FrameStore> store = nullptr;  // of data.store: read instead of the videos
  bool pad_words = false;   // texts padded to max_words, not to the longest of the batch
  bool read_frames = true;  // false: training batches without pixels, for features computed before
  bool read_texts = true;   // false: without tokens
  bool pin = false;         // batches in page-locked memory, for copies to a GPU beside the work
  int64_t rank = 0, world = 1;  // each rank gets its part of a batch, or of the videos, in order

  video::Request request(Split split) const {  // how a split's frames are sampled and cropped
    auto request =
        split == Split::train ? video.training(resolution) : video.evaluation(resolution);
    request.time_limit = data.decode_seconds;
    return request;
  }
};

TextBatch tokenize(const text::Tokenizer& tokenizer, const std::vector<std::string>& captions,
                   int64_t max_words, bool pad_to_max);

// Shuffled (video, caption) pairs, epoch after epoch; the last, smaller batch of an epoch is left
// out unless it is the only one. With data.captions_per_video a video comes with so many of its
// captions, drawn anew each epoch; where they do not divide, some come again. With data.on_error:
// skip another item stands in for one whose video cannot be read.
class TrainLoader {
 public:
  TrainLoader(const Manifest& manifest, const text::Tokenizer& tokenizer,
              const LoaderSettings& settings, int64_t batch, int64_t first_step);
  ~TrainLoader();
  static int64_t pairs(const Manifest& manifest, const DataOptions& data);  // of an epoch
  static int64_t steps_per_epoch(const Manifest& manifest, const DataOptions& data, int64_t batch);
  Batch next();                          // throws the Error of a video in it, which names the video
  double waited() const;                 // seconds that `next` has waited for the workers, in all
  std::vector<int64_t> skipped() const;  // of the manifest; unreadable, with data.on_error: skip

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Every video of a manifest, or of this rank's share of it, once, in order, with the evaluation's
// sampling and crop. One that cannot be read is an Error, or, with data.on_error: skip, has no row
// and stands in `skipped`.
class VideoLoader {
 public:
  VideoLoader(const Manifest& manifest, const LoaderSettings& settings, int64_t batch);
  ~VideoLoader();
  std::optional<VideoBatch> next();
  const std::vector<int64_t>& skipped() const;  // of the manifest, among those handed out so far
  const Share& share() const;                   // of the manifest: this rank's

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::data
