#include "vtr/eval/features.h"

#include "vtr/core/error.h"
#include "vtr/models/by_length.h"
#include "vtr/report/progress.h"

#include <torch/types.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

namespace vtr::eval {
namespace {

void keep(Rows& rows, const Tensor& part) {
  if (part.defined()) rows.add(part.to(torch::kCPU).contiguous());
}

std::vector<int64_t> rows_of(const std::vector<int64_t>& row, const Tensor& index) {
  const Tensor host = index.to(torch::kCPU).contiguous();
  std::vector<int64_t> result;
  for (int64_t i = 0; i < host.numel(); ++i) {
    result.push_back(row.at(static_cast<size_t>(host.const_data_ptr<int64_t>()[i])));
  }
  return result;
}

std::vector<int64_t> counting(int64_t n) {
  std::vector<int64_t> result(static_cast<size_t>(n));
  std::iota(result.begin(), result.end(), int64_t{0});
  return result;
}

// Rows of this rank become those of all.
void gather(Rows& rows, dist::Group& group) {
  if (group.alone() || rows.empty()) return;
  const Tensor own = rows.select(counting(rows.size()));
  rows = {};
  rows.add(group.gather_rows(own));
}

}  // namespace

Encoding with_training_frames(Encoding encoding) {
  auto& options = encoding.loader.video;
  VTR_CHECK(options.train_flip == 0 && !options.train_jitter.any(),
            "video.train_flip, video.train_jitter: features would change from pass to pass "
            "(video.train_flip=0 leaves the first out)");
  options.sampling = options.train_sampling;
  options.crop = options.train_crop;
  return encoding;
}

void refuse_random_frames(const video::VideoOptions& options, const std::string& what) {
  VTR_CHECK(!video::is_random(options.evaluation(/*resolution=*/1)),
            "{}: features would change from pass to pass: the sampling is '{}', the crop '{}' "
            "(video.train_sampling, video.train_crop; in evaluation video.sampling, video.crop)",
            what, options.sampling, options.crop);
}

std::vector<int64_t> encode_videos(const Encoding& encoding, const data::Manifest& manifest,
                                   const models::Wanted& wanted, const UseVideos& use) {
  const torch::NoGradGuard no_grad;
  data::VideoLoader loader(manifest, encoding.loader, encoding.batch);
  report::Progress progress("encode", "videos", loader.share().size());
  int64_t rows = loader.share().begin;
  while (const auto batch = loader.next()) {
    // A batch of which nothing can be read is passed over, so that this one's end tells its place.
    const auto& broken = loader.skipped();  // ascending
    rows += batch->mask.size(0);
    const int64_t begin = loader.share().begin, end = rows + std::ssize(broken);
    std::vector<int64_t> which;
    for (int64_t v = begin + (end - 1 - begin) / encoding.batch * encoding.batch; v < end; ++v) {
      if (!std::ranges::binary_search(broken, v)) which.push_back(v);
    }
    use(encoding.model.encode_video(batch->pixels, batch->mask, batch->times, encoding.precision,
                                    wanted),
        which);
    progress.advance(batch->mask.size(0));
  }
  return loader.skipped();
}

dist::Group& sharing(dist::Group* ranks, dist::Group& alone, int64_t videos) {
  return ranks && videos >= ranks->size() ? *ranks : alone;
}

std::vector<int64_t> encode_share(Encoding encoding, const data::Manifest& manifest,
                                  const models::Wanted& wanted, dist::Group& group,
                                  const UseVideos& use) {
  encoding.loader.rank = group.rank();
  encoding.loader.world = group.size();
  bool none = true;
  const auto broken = encode_videos(encoding, manifest, wanted, [&](const auto&... some) {
    none = false;
    use(some...);
  });
  VTR_CHECK(!none, "{}: no video can be read{}", manifest.name,
            group.alone() ? "" : " of those that this process shares in (fewer processes do)");
  const Tensor all = group.gather_rows(torch::tensor(broken, torch::kLong));
  return {all.const_data_ptr<int64_t>(), all.const_data_ptr<int64_t>() + all.numel()};
}

void encode_texts(const Encoding& encoding, const std::vector<std::string>& captions,
                  const models::Wanted& wanted, const UseTexts& use) {
  const torch::NoGradGuard no_grad;
  models::Wanted padded = wanted;
  padded.padding |= wanted.tokens;  // the same bits for every head, those that read padding too
  report::Progress progress("encode", "texts", static_cast<int64_t>(captions.size()));
  for (size_t i = 0; i < captions.size(); i += kTextBatch) {
    const std::vector<std::string> some(
        captions.begin() + i, captions.begin() + std::min(captions.size(), i + kTextBatch));
    const auto batch = data::tokenize(encoding.tokenizer, some, encoding.loader.max_words,
                                      padded.tokens || encoding.loader.pad_words);
    use(models::encode_by_length(encoding.model, batch.ids, batch.mask, encoding.precision,
                                 padded));
    progress.advance(static_cast<int64_t>(some.size()));
  }
}

std::vector<std::string> captions_of(const data::Manifest& manifest) {
  std::vector<std::string> captions;
  for (const auto& video : manifest.videos) {
    captions.insert(captions.end(), video.captions.begin(), video.captions.end());
  }
  return captions;
}

data::Manifest without(const data::Manifest& manifest, const std::vector<int64_t>& videos) {
  const std::set<int64_t> gone(videos.begin(), videos.end());
  data::Manifest rest = manifest;
  rest.videos.clear();
  for (size_t v = 0; v < manifest.videos.size(); ++v) {
    const auto& video = manifest.videos[v];
    if (gone.contains(static_cast<int64_t>(v))) {
      rest.skipped.push_back(video.id);
    } else {
      rest.videos.push_back(video);
    }
  }
  VTR_CHECK(!rest.videos.empty(), "{}: no video can be read", manifest.name);
  return rest;
}

void Rows::add(const Tensor& part) {
  VTR_CHECK(parts_.empty() || (part.sizes().slice(1) == parts_.front().sizes().slice(1) &&
                               part.scalar_type() == parts_.front().scalar_type()),
            "features of [{}] and of [{}] cannot go together",
            fmt::join(part.sizes().slice(1).vec(), ", "),
            fmt::join(parts_.front().sizes().slice(1).vec(), ", "));
  parts_.push_back(part);
  begin_.push_back(begin_.back() + part.size(0));
}

Tensor Rows::select(const std::vector<int64_t>& rows) const {
  if (empty()) return {};
  std::vector<int64_t> shape = parts_.front().sizes().vec();
  shape.front() = static_cast<int64_t>(rows.size());
  const Tensor result = torch::empty(shape, parts_.front().options());
  const size_t bytes = result.nbytes() / std::max<size_t>(1, rows.size());
  auto* to = static_cast<std::byte*>(result.data_ptr());
  for (const int64_t row : rows) {
    VTR_CHECK(row >= 0 && row < size(), "features: row {} of {}", row, size());
    const auto part = std::upper_bound(begin_.begin(), begin_.end(), row) - begin_.begin() - 1;
    const auto offset = static_cast<size_t>(row - begin_[static_cast<size_t>(part)]) * bytes;
    const void* data = parts_[static_cast<size_t>(part)].const_data_ptr();
    std::memcpy(to, static_cast<const std::byte*>(data) + offset, bytes);
    to += bytes;
  }
  return result.is_floating_point() ? result.to(torch::kFloat) : result;
}

models::VideoFeatures Features::videos(const Tensor& index) const {
  const auto rows = rows_of(videos_.row, index);
  return {videos_.frames.select(rows), videos_.patches.select(rows), videos_.mask.select(rows),
          videos_.times.select(rows)};
}

models::TextFeatures Features::texts(const Tensor& index, bool padded) const {
  const auto rows = rows_of(texts_.row, index);
  const Tensor pooled = texts_.pooled.select(rows);
  if (texts_.tokens.empty()) return {pooled, {}, torch::ones({pooled.size(0), 1}, torch::kBool)};
  const Tensor tokens = texts_.tokens.select(rows), mask = texts_.mask.select(rows);
  const int64_t longest = padded ? mask.size(1) : mask.sum(1).max().item<int64_t>();
  return {pooled, tokens.narrow(1, 0, longest), mask.narrow(1, 0, longest)};
}

std::string Features::describe() const {
  const std::string texts = has_texts() ? fmt::format("{} texts, ", text_count()) : "";
  return fmt::format("features from {}: {} videos, {}{}", from_, video_count(), texts, dtype_);
}

Features encode_split(const Encoding& encoding, const data::Manifest& manifest, bool with_texts,
                      dist::Group* ranks) {
  dist::Group alone;
  auto& group = sharing(ranks, alone, std::ssize(manifest.videos));
  const auto wanted = encoding.model.head().wants();
  encoding.model.eval();  // the caller turns training on
  Features::Videos videos;
  videos.skipped = encode_share(encoding, manifest, wanted, group,
                                [&](const models::VideoFeatures& features, const auto&) {
                                  keep(videos.frames, features.frames);
                                  keep(videos.patches, features.patches);
                                  keep(videos.mask, features.mask);
                                  keep(videos.times, features.times);
                                });
  for (Rows* rows : {&videos.frames, &videos.patches, &videos.mask, &videos.times})
    gather(*rows, group);
  videos.row = counting(videos.frames.size());
  Features::Texts texts;
  if (with_texts) {
    const auto captions = captions_of(without(manifest, videos.skipped));
    const data::Share share(std::ssize(captions), kTextBatch, group.rank(), group.size());
    encode_texts(encoding, {captions.begin() + share.begin, captions.begin() + share.end}, wanted,
                 [&](const models::TextFeatures& features) {
                   keep(texts.pooled, features.pooled);
                   if (!features.tokens.defined()) return;
                   keep(texts.tokens, features.tokens);
                   keep(texts.mask, features.mask);
                 });
    for (Rows* rows : {&texts.pooled, &texts.tokens, &texts.mask}) gather(*rows, group);
    texts.row = counting(texts.pooled.size());
  }
  return {"memory", "fp32", std::move(videos), std::move(texts)};
}

}  // namespace vtr::eval
