#include "vtr/eval/evaluator.h"

#include "vtr/core/error.h"

#include <torch/torch.h>

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

// The states of `items` kept features, a block at a time: `part` gives those of some indices.
template <class Part>
models::State in_blocks(int64_t items, Part part) {
  constexpr int64_t kBlock = 256;
  std::vector<models::State> parts;
  for (int64_t i = 0; i < items; i += kBlock) {
    parts.push_back(part(torch::arange(i, std::min(items, i + kBlock), torch::kLong)));
  }
  return models::State::cat(parts);
}

models::VideoState video_states(const Encoding& encoding, const data::Manifest& manifest,
                                const Features* features, std::vector<int64_t>& skipped) {
  auto& model = encoding.model;
  if (features) {
    skipped = features->skipped();
    return in_blocks(features->video_count(), [&](const Tensor& index) {
      return model.head().video(models::to(features->videos(index), model.device()));
    });
  }
  std::vector<models::State> parts;
  skipped = encode_videos(
      encoding, manifest, model.head().wants(),
      [&](const auto& some, const auto&) { parts.push_back(model.head().video(some)); });
  VTR_CHECK(!parts.empty(), "{}: no video can be read", manifest.name);
  return models::State::cat(parts);
}

models::TextState text_states(const Encoding& encoding, const std::vector<std::string>& captions,
                              const Features* features) {
  auto& model = encoding.model;
  if (features && features->has_texts()) {
    return in_blocks(features->text_count(), [&](const Tensor& index) {
      return model.head().text(models::to(features->texts(index, /*padded=*/true), model.device()));
    });
  }
  std::vector<models::State> parts;
  encode_texts(encoding, captions, model.head().wants(),
               [&](const auto& some) { parts.push_back(model.head().text(some)); });
  return models::State::cat(parts);
}

}  // namespace

Evaluation evaluate(const Encoding& encoding, const data::Manifest& manifest, int64_t workspace_mb,
                    const Features* features) {
  const auto start = std::chrono::steady_clock::now();
  const torch::NoGradGuard no_grad;
  auto& model = encoding.model;
  const bool was_training = model.is_training();
  model.eval();
  std::vector<int64_t> skipped;
  const auto videos = video_states(encoding, manifest, features, skipped);
  const auto readable = without(manifest, skipped);
  const Queries queries = collect_queries(readable);
  const auto texts = text_states(encoding, queries.captions, features);
  const Tensor sim =
      models::score_blocked(model.head(), texts, videos, {.workspace_mb = workspace_mb});
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
