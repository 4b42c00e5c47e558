#include "vtr/eval/closeup.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <algorithm>
#include <set>

namespace vtr::eval {
namespace {

std::vector<Answer> first_of(std::vector<Answer> some, int64_t count, auto before) {
  std::stable_sort(some.begin(), some.end(), before);
  if (std::ssize(some) > count) some.resize(static_cast<size_t>(count));
  return some;
}

std::vector<Answer> those(const std::vector<Answer>& all, bool wrong) {
  std::vector<Answer> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Answer& answer) { return answer.wrong() == wrong; });
  return some;
}

// The distinct texts or videos of the pairs, ascending.
std::vector<int64_t> distinct(const std::vector<Pair>& pairs, int64_t Pair::*part) {
  std::set<int64_t> all;
  for (const auto& pair : pairs) all.insert(pair.*part);
  return {all.begin(), all.end()};
}

// One at a time, so that what is at hand is known whatever cannot be read.
std::map<int64_t, data::VideoBatch> read_videos(const Encoding& encoding,
                                                const data::Manifest& readable,
                                                const std::vector<int64_t>& which) {
  data::Manifest some = readable;
  some.videos.clear();
  for (const int64_t v : which) some.videos.push_back(readable.videos[static_cast<size_t>(v)]);
  auto settings = encoding.loader;
  settings.data.on_error = "skip";
  data::VideoLoader loader(some, settings, /*batch=*/1);
  std::map<int64_t, data::VideoBatch> read;
  while (auto batch = loader.next()) {
    const size_t place = read.size() + loader.skipped().size();
    read[which[place]] = {batch->pixels[0], batch->mask[0], batch->times[0]};
  }
  return read;
}

models::VideoState video_state(const Encoding& encoding, const Features* features, int64_t video,
                               const data::VideoBatch& read) {
  auto& model = encoding.model;
  if (features) {
    return model.head().video(models::to(features->videos(torch::tensor({video})), model.device()));
  }
  return model.head().video(model.encode_video(read.pixels.unsqueeze(0), read.mask.unsqueeze(0),
                                               read.times.unsqueeze(0), encoding.precision,
                                               model.head().wants()));
}

models::TextState text_states(const Encoding& encoding, const data::Manifest& readable,
                              const Features* features, const std::vector<int64_t>& which) {
  auto& model = encoding.model;
  if (features && features->has_texts()) {
    const auto some = features->texts(torch::tensor(which), /*padded=*/true);
    return model.head().text(models::to(some, model.device()));
  }
  const auto captions = captions_of(readable);
  std::vector<std::string> some;
  for (const int64_t t : which) some.push_back(captions[static_cast<size_t>(t)]);
  std::vector<models::State> parts;
  encode_texts(encoding, some, model.head().wants(),
               [&](const auto& texts) { parts.push_back(model.head().text(texts)); });
  return models::State::cat(parts);
}

}  // namespace

std::vector<Answer> answers(const Evaluation& result) {
  const Tensor target = torch::tensor(result.target).unsqueeze(1);
  const Tensor own = result.sim.gather(1, target).squeeze(1).contiguous();
  const Tensor others =
      result.sim.scatter(1, target, -std::numeric_limits<float>::infinity());  // [N, M]
  const auto [other, rival] = others.max(1);
  std::vector<Answer> all;
  for (size_t i = 0; i < result.target.size(); ++i) {
    const auto n = static_cast<int64_t>(i);
    const bool alone = result.sim.size(1) == 1;
    const float score = own.const_data_ptr<float>()[i];
    all.push_back({.text = n,
                   .target = result.target[i],
                   .rival = rival.const_data_ptr<int64_t>()[i],
                   .rank = result.t2v_ranks[i],
                   .own = score,
                   .other = alone ? score : other.const_data_ptr<float>()[i]});
  }
  return all;
}

std::vector<Answer> best(const std::vector<Answer>& answers, int64_t count) {
  return first_of(those(answers, /*wrong=*/false), count,
                  [](const Answer& a, const Answer& b) { return a.margin() > b.margin(); });
}

std::vector<Answer> worst(const std::vector<Answer>& answers, int64_t count) {
  return first_of(those(answers, /*wrong=*/true), count, [](const Answer& a, const Answer& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.margin() < b.margin();
  });
}

Tensor heat_map(const Tensor& sim, int64_t side) {
  const Tensor map =
      std::get<0>(torch::adaptive_max_pool2d(
                      sim.unsqueeze(0), {std::min(side, sim.size(0)), std::min(side, sim.size(1))}))
          .squeeze(0);
  const Tensor low = map.min();
  return (map - low) / (map.max() - low).clamp_min(1e-12);
}

Closeup look(const Encoding& encoding, const data::Manifest& readable, const Features* features,
             const std::vector<Pair>& pairs) {
  Closeup result;
  if (pairs.empty()) return result;
  const torch::NoGradGuard no_grad;
  encoding.model.eval();
  const auto which = distinct(pairs, &Pair::text);
  result.videos = read_videos(encoding, readable, distinct(pairs, &Pair::video));
  const auto texts = text_states(encoding, readable, features, which);
  std::map<int64_t, models::VideoState> states;
  for (const auto& [video, read] : result.videos) {
    states[video] = video_state(encoding, features, video, read);
  }
  for (const auto& pair : pairs) {
    const auto state = states.find(pair.video);
    if (state == states.end()) continue;
    const auto at = std::ranges::lower_bound(which, pair.text) - which.begin();
    const auto seen = encoding.model.head().explain(texts.slice(at, at + 1), state->second);
    if (!seen.weights.defined()) return result;
    result.pairs[pair] = {seen.relevance[0][0].to(torch::kCPU), seen.weights[0][0].to(torch::kCPU)};
  }
  return result;
}

}  // namespace vtr::eval
