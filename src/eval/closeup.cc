#include "vtr/eval/closeup.h"

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

// One at a time, so that what is at hand is known whatever cannot be read.
std::map<int64_t, data::VideoBatch> read_videos(data::LoaderSettings settings,
                                                const data::Manifest& readable,
                                                const std::vector<int64_t>& which) {
  data::Manifest some = readable;
  some.videos.clear();
  for (const int64_t v : which) some.videos.push_back(readable.videos[static_cast<size_t>(v)]);
  settings.data.on_error = "skip";
  data::VideoLoader loader(some, settings, /*batch=*/1);
  std::map<int64_t, data::VideoBatch> read;
  while (auto batch = loader.next()) {
    const size_t place = read.size() + loader.skipped().size();
    read[which[place]] = {batch->pixels[0], batch->mask[0], batch->times[0]};
  }
  return read;
}

}  // namespace

std::vector<Answer> answers(const Evaluation& result, const std::vector<double>& ranks) {
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
                   .rank = ranks[i],
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

Closeup look(const data::LoaderSettings& settings, models::Head& head, const Evaluation& result,
             const std::vector<Pair>& pairs) {
  const torch::NoGradGuard no_grad;
  std::set<int64_t> videos;
  for (const auto& pair : pairs) videos.insert(pair.video);
  Closeup seen{read_videos(settings, result.readable, {videos.begin(), videos.end()}), {}};
  for (const auto& pair : pairs) {
    const auto explained = head.explain(result.text_states.slice(pair.text, pair.text + 1),
                                        result.video_states.slice(pair.video, pair.video + 1));
    if (!explained.weights.defined()) break;
    seen.pairs[pair] = {explained.relevance[0][0].to(torch::kCPU),
                        explained.weights[0][0].to(torch::kCPU)};
  }
  return seen;
}

}  // namespace vtr::eval
