// The one road from a split's videos and texts to their features: evaluation uses them up batch by
// batch, training keeps them in memory, `vtr encode` writes them down.
//
//   encode_videos(encoding, manifest, wanted, [&](const auto& features, const auto& which) {});
//
//   Features kept = encode_split(encoding, manifest, /*texts=*/true);
//   VideoFeatures batch = kept.videos(index);
#pragma once

#include "vtr/data/loader.h"
#include "vtr/dist/group.h"
#include "vtr/models/retriever.h"

#include <functional>
#include <string>
#include <vector>

namespace vtr::eval {

// What features are computed with. The choices are those of the configuration that made the model
// and the tokeniser: a store of features is told apart by them.
struct Encoding {
  models::Retriever& model;
  const text::Tokenizer& tokenizer;
  data::LoaderSettings loader;
  config::Choice encoder_choice, tokenizer_choice;
  int64_t batch = 32;
  std::string precision = "fp32";
};

// The same with the training's sampling and crop where the evaluation's stood.
Encoding with_training_frames(Encoding encoding);

// Throws Error, beginning with `what`, where the frames would differ from one pass to the next.
void refuse_random_frames(const video::VideoOptions& options, const std::string& what);

// `use` gets the features of some videos on the model's device, and which of the manifest they are.
// Batches begin at multiples of `encoding.batch` (Share), so that a part of a manifest has the same
// bits as the whole. Returns the videos that could not be read (data.on_error: skip).
using UseVideos = std::function<void(const models::VideoFeatures&, const std::vector<int64_t>&)>;
std::vector<int64_t> encode_videos(const Encoding& encoding, const data::Manifest& manifest,
                                   const models::Wanted& wanted, const UseVideos& use);

// All ranks, or this one alone where there are fewer videos than ranks, or none given.
dist::Group& sharing(dist::Group* ranks, dist::Group& alone, int64_t videos);

// The same of this rank's share of the manifest; what could not be read is that of all ranks.
// Throws Error where a rank can read none.
std::vector<int64_t> encode_share(Encoding encoding, const data::Manifest& manifest,
                                  const models::Wanted& wanted, dist::Group& group,
                                  const UseVideos& use);

// Captions, in order and in batches of kTextBatch, each encoded by length (by_length.h). Tokens are
// given for text.max_words words, whatever the longest text of a batch.
constexpr int64_t kTextBatch = 256;
using UseTexts = std::function<void(const models::TextFeatures&)>;
void encode_texts(const Encoding& encoding, const std::vector<std::string>& captions,
                  const models::Wanted& wanted, const UseTexts& use);

// All captions of a manifest, in its order; and the manifest without some of its videos.
std::vector<std::string> captions_of(const data::Manifest& manifest);
data::Manifest without(const data::Manifest& manifest, const std::vector<int64_t>& videos);

// Rows of one kind of tensor that lie in several: memory, or files mapped into it.
class Rows {
 public:
  void add(
      const Tensor& part);  // [n, ...] on the CPU; throws Error when the others have other sizes
  int64_t size() const { return begin_.back(); }
  bool empty() const { return parts_.empty(); }
  Tensor select(const std::vector<int64_t>& rows) const;  // [B, ...], half precision widened

 private:
  std::vector<Tensor> parts_;
  std::vector<int64_t> begin_ = {0};  // of each part, and the end
};

// The features of a manifest's readable videos, and of their texts, on the CPU.
class Features {
 public:
  struct Videos {
    Rows frames, patches, mask, times;  // as in models::VideoFeatures; not wanted: empty
    std::vector<int64_t> row;           // of each readable video
    std::vector<int64_t> skipped;       // of the manifest: not readable
  };
  struct Texts {
    Rows pooled, tokens, mask;
    std::vector<int64_t> row;  // of each caption of the readable videos
  };
  Features(std::string from, std::string dtype, Videos videos, Texts texts)
      : from_(std::move(from)),
        dtype_(std::move(dtype)),
        videos_(std::move(videos)),
        texts_(std::move(texts)) {}

  // index [B] int64, among the readable videos or their captions. Tokens are cut to the longest
  // text of the batch, unless `padded`.
  models::VideoFeatures videos(const Tensor& index) const;
  models::TextFeatures texts(const Tensor& index, bool padded) const;
  bool has_texts() const { return !texts_.row.empty(); }
  int64_t video_count() const { return static_cast<int64_t>(videos_.row.size()); }
  int64_t text_count() const { return static_cast<int64_t>(texts_.row.size()); }
  const std::vector<int64_t>& skipped() const { return videos_.skipped; }
  std::string describe() const;  // "features from DIR: 1200 videos, 24000 texts, fp16"

 private:
  std::string from_, dtype_;
  Videos videos_;
  Texts texts_;
};

// Encodes what the model's head reads of a split into memory; the ranks of `group` share the work,
// and each has all of it.
Features encode_split(const Encoding& encoding, const data::Manifest& manifest, bool texts,
                      dist::Group* group = nullptr);

}  // namespace vtr::eval
