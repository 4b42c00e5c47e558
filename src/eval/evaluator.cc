#include "vtr/eval/evaluator.h"

#include "at_rest.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>

namespace vtr::eval {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The column of each caption's video.
std::vector<int64_t> targets(const data::Manifest& manifest) {
  std::vector<int64_t> target;
  for (size_t i = 0; i < manifest.videos.size(); ++i) {
    target.insert(target.end(), manifest.videos[i].captions.size(), static_cast<int64_t>(i));
  }
  return target;
}

data::Share share_of(int64_t items, int64_t step, const dist::Group& group) {
  return {items, step, group.rank(), group.size()};
}

models::State gathered(const models::State& own, dist::Group& group) {
  models::State::Items items;
  for (const auto& [name, tensor] : own.items())
    items.emplace_back(name, group.gather_rows(tensor));
  return items;
}

// The states of some kept features, a block at a time: `part` gives those of some indices.
template <class Part>
models::State in_blocks(const data::Share& share, Part part) {
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
    return gathered(
        in_blocks(share_of(features->video_count(), 1, group),
                  [&](const Tensor& index) {
                    return model.head().video(models::to(features->videos(index), model.device()));
                  }),
        group);
  }
  std::vector<models::State> parts;
  skipped = encode_share(
      encoding, manifest, model.head().wants(), group,
      [&](const auto& some, const auto&) { parts.push_back(model.head().video(some)); });
  return gathered(models::State::cat(parts), group);
}

int64_t video_count(const data::Manifest& manifest, const Features* features) {
  return features ? features->video_count() : std::ssize(manifest.videos);
}

// Of this rank's part of the captions.
models::TextState text_states(const Encoding& encoding, const std::vector<std::string>& captions,
                              const Features* features, const data::Share& share) {
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

void check_named(const Evaluation& result) {
  check_scores(result.sim, [&](int64_t text, int64_t video) {
    return fmt::format("text {} (\"{}\") and video {}", text,
                       captions_of(result.readable)[static_cast<size_t>(text)],
                       result.readable.videos[static_cast<size_t>(video)].id);
  });
}

}  // namespace

SplitStates split_states(const Encoding& encoding, const data::Manifest& manifest,
                         const Features* features, dist::Group* ranks) {
  dist::Group alone;
  auto& group = sharing(ranks, alone, video_count(manifest, features));
  const torch::NoGradGuard no_grad;
  const AtRest rest(encoding.model);
  SplitStates states;
  std::vector<int64_t> skipped;
  states.video_states = video_states(encoding, manifest, features, skipped, group);
  states.readable = without(manifest, skipped);
  states.target = targets(states.readable);
  states.text_states = text_states(encoding, captions_of(states.readable), features,
                                   share_of(std::ssize(states.target), kTextBatch, group));
  return states;
}

Evaluation evaluate(const Encoding& encoding, const data::Manifest& manifest, int64_t workspace_mb,
                    const Features* features, dist::Group* ranks) {
  dist::Group alone;
  auto& group = sharing(ranks, alone, video_count(manifest, features));
  const auto start = std::chrono::steady_clock::now();
  const AtRest rest(encoding.model);
  Evaluation result;
  static_cast<SplitStates&>(result) = split_states(encoding, manifest, features, &group);
  const auto encoded = std::chrono::steady_clock::now();
  const Tensor sim = models::score_blocked(encoding.model.head(), result.text_states,
                                           result.video_states, {.workspace_mb = workspace_mb});
  result.sim = group.gather_rows(sim).to(torch::kCPU);
  result.score_seconds = seconds_since(encoded);
  check_named(result);
  const Tensor target = torch::tensor(result.target);
  const Ranks t2v = ranks_t2v(result.sim, target), v2t = ranks_v2t(result.sim, target);
  result.t2v_ranks = t2v.rank;
  result.v2t_ranks = v2t.rank;
  result.t2v = summarize(t2v);
  result.v2t = summarize(v2t);
  result.videos = std::ssize(result.readable.videos);
  result.skipped = std::ssize(result.readable.skipped);
  result.seconds = seconds_since(start);
  return result;
}

}  // namespace vtr::eval
