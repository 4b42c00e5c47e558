#include "vtr/eval/evaluator.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>

namespace vtr::eval {
namespace {

// The captions of a split with the column of each one's video.
struct Queries {
  std::vector<std::string> captions;
  std::vector<int64_t> target;
};

Queries collect_queries(const data::Manifest& manifest) {
  Queries queries{captions_of(manifest), {}};
  for (size_t i = 0; i < manifest.videos.size(); ++i) {
    queries.target.insert(queries.target.end(), manifest.videos[i].captions.size(),
                          static_cast<int64_t>(i));
  }
  return queries;
}

// This rank's part of some items. It begins at a multiple of `step` where there are enough of
// them, so that videos come together in batches as they do for one process alone.
struct Share {
  Share(int64_t items, int64_t step, const dist::Group& group) {
    if (items < step * group.size()) step = 1;
    const int64_t steps = (items + step - 1) / step;
    const auto at = [&](int64_t rank) {
      return std::min(items, steps * rank / group.size() * step);
    };
    begin = at(group.rank());
    end = at(group.rank() + 1);
  }
  int64_t begin, end;
};

models::State gathered(const models::State& own, dist::Group& group) {
  models::State::Items items;
  for (const auto& [name, tensor] : own.items())
    items.emplace_back(name, group.gather_rows(tensor));
  return items;
}

// The states of some kept features, a block at a time: `part` gives those of some indices.
template <class Part>
models::State in_blocks(const Share& share, Part part) {
  constexpr int64_t kBlock = 256;
  std::vector<models::State> parts;
  for (int64_t i = share.begin; i < share.end; i += kBlock) {
    parts.push_back(part(torch::arange(i, std::min(share.end, i + kBlock), torch::kLong)));
  }
  return models::State::cat(parts);
}

// Of all videos that can be read, made by all ranks.
models::VideoState video_states(const Encoding& encoding, const data::Manifest& manifest,
                                const Features* features, std::vector<int64_t>& skipped,
                                dist::Group& group) {
  auto& model = encoding.model;
  if (features) {
    skipped = features->skipped();
    const Share share(features->video_count(), 1, group);
    return gathered(
        in_blocks(share,
                  [&](const Tensor& index) {
                    return model.head().video(models::to(features->videos(index), model.device()));
                  }),
        group);
  }
  const Share share(std::ssize(manifest.videos), encoding.batch, group);
  data::Manifest own = manifest;
  own.videos = {manifest.videos.begin() + share.begin, manifest.videos.begin() + share.end};
  std::vector<models::State> parts;
  const Tensor broken = torch::tensor(encode_videos(
      encoding, own, model.head().wants(),
      [&](const auto& some, const auto&) { parts.push_back(model.head().video(some)); }));
  const Tensor all = group.gather_rows(broken.to(torch::kLong) + share.begin);
  skipped = {all.const_data_ptr<int64_t>(), all.const_data_ptr<int64_t>() + all.numel()};
  VTR_CHECK(!parts.empty(), "{}: no video can be read", manifest.name);
  return gathered(models::State::cat(parts), group);
}

// Of this rank's part of the captions.
models::TextState text_states(const Encoding& encoding, const std::vector<std::string>& captions,
                              const Features* features, const Share& share) {
  auto& model = encoding.model;
  if (features && features->has_texts()) {
    return in_blocks(share, [&](const Tensor& index) {
      return model.head().text(models::to(features->texts(index, /*padded=*/true), model.device()));
    });
  }
  std::vector<models::State> parts;
  const std::vector<std::string> own(captions.begin() + share.begin, captions.begin() + share.end);
  encode_texts(encoding, own, model.head().wants(),
               [&](const auto& some) { parts.push_back(model.head().text(some)); });
  return models::State::cat(parts);
}

}  // namespace

Evaluation evaluate(const Encoding& encoding, const data::Manifest& manifest, int64_t workspace_mb,
                    const Features* features, dist::Group* ranks) {
  dist::Group alone;
  auto& group = ranks && std::ssize(manifest.videos) >= ranks->size() ? *ranks : alone;
  const auto start = std::chrono::steady_clock::now();
  const torch::NoGradGuard no_grad;
  auto& model = encoding.model;
  const bool was_training = model.is_training();
  model.eval();
  std::vector<int64_t> skipped;
  const auto videos = video_states(encoding, manifest, features, skipped, group);
  const auto readable = without(manifest, skipped);
  const Queries queries = collect_queries(readable);
  const Share share(std::ssize(queries.captions), kTextBatch, group);
  const auto texts = text_states(encoding, queries.captions, features, share);
  const Tensor sim = group.gather_rows(
      models::score_blocked(model.head(), texts, videos, {.workspace_mb = workspace_mb}));
  model.train(was_training);

  const Tensor target = torch::tensor(queries.target);
  Evaluation result;
  result.t2v_ranks = ranks_t2v(sim, target);
  result.v2t_ranks = ranks_v2t(sim, target);
  result.t2v = summarize(result.t2v_ranks);
  result.v2t = summarize(result.v2t_ranks);
  result.videos = videos.size();
  result.skipped = std::ssize(readable.skipped);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace vtr::eval
