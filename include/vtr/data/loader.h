// Batches, decoded ahead by worker threads and handed out in order. What a batch holds is a
// function of (seed, step) alone, whatever the number of workers.
//
//   TrainLoader loader(train, tokenizer, settings, 32, first_step);
//   for (int64_t step = first_step; step < steps; ++step) { Batch batch = loader.next(); ... }
#pragma once

#include "vtr/core/tensor.h"
#include "vtr/data/manifest.h"
#include "vtr/text/tokenizer.h"
#include "vtr/video/frames.h"

#include <memory>
#include <optional>

namespace vtr::data {

struct TextBatch {
  Tensor ids;   // [B, L] int64, L the longest of the batch
  Tensor mask;  // [B, L] bool
};
struct VideoBatch {
  Tensor pixels;  // [B, T, 3, R, R] uint8
  Tensor mask;    // [B, T] bool
  Tensor times;   // [B, T] float, seconds
};
struct Batch {
  TextBatch text;
  VideoBatch video;
  Tensor video_index;    // [B] int64, which video of the manifest: equal ones are no negatives
  Tensor caption_index;  // [B] int64, which caption of all the manifest's, in its order
};

struct LoaderSettings {
  DataOptions data;
  video::VideoOptions video;
  int64_t max_words = 32;
  int64_t resolution = 224;
  uint64_t seed = 0;
  bool pad_words = false;   // texts padded to max_words, not to the longest of the batch
  bool read_frames = true;  // false: training batches without pixels, for features computed before
  bool read_texts = true;   // false: without tokens
};

TextBatch tokenize(const text::Tokenizer& tokenizer, const std::vector<std::string>& captions,
                   int64_t max_words, bool pad_to_max);

// Shuffled (video, caption) pairs, epoch after epoch; the last, smaller batch of an epoch is left
// out unless it is the only one.
class TrainLoader {
 public:
  TrainLoader(const Manifest& manifest, const text::Tokenizer& tokenizer,
              const LoaderSettings& settings, int64_t batch, int64_t first_step);
  ~TrainLoader();
  static int64_t steps_per_epoch(const Manifest& manifest, const DataOptions& data, int64_t batch);
  Batch next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Every video of a manifest once, in order, with the evaluation's sampling and crop. One that
// cannot be read is an Error, or, with data.on_error: skip, has no row and stands in `skipped`.
class VideoLoader {
 public:
  VideoLoader(const Manifest& manifest, const LoaderSettings& settings, int64_t batch);
  ~VideoLoader();
  std::optional<VideoBatch> next();
  void rewind();                                // from the first video again; the cache stays
  const std::vector<int64_t>& skipped() const;  // of the manifest, among those handed out so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::data
