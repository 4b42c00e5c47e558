#include "vtr/eval/cost.h"

#include "at_rest.h"

#include "vtr/eval/flops.h"

#include <torch/types.h>

#include <chrono>

namespace vtr::eval {
namespace {

// One batch through encoder and head.
class Passes {
 public:
  explicit Passes(const Encoding& encoding)
      : encoding_(encoding), wants_(encoding.model.head().wants()) {}

  void videos(int64_t count) const {
    const auto& settings = encoding_.loader;
    const int64_t frames = settings.video.frames, side = settings.resolution;
    const auto place = torch::TensorOptions(encoding_.model.device());
    const Tensor pixels = torch::zeros({count, frames, 3, side, side}, place.dtype(torch::kByte));
    const Tensor times = torch::arange(frames, place.dtype(torch::kFloat)).expand({count, -1});
    finish(encoding_.model.head().video(encoding_.model.encode_video(
        pixels, torch::ones({count, frames}, place.dtype(torch::kBool)), times, encoding_.precision,
        wants_)));
  }
  void texts(int64_t count) const {
    const auto place = torch::TensorOptions(encoding_.model.device());
    const Tensor ids = torch::zeros({count, encoding_.loader.max_words}, place.dtype(torch::kLong));
    finish(encoding_.model.head().text(encoding_.model.encode_text(
        ids, torch::ones_like(ids, place.dtype(torch::kBool)), encoding_.precision, wants_)));
  }

 private:
  // Until the device has done what it was given.
  static void finish(const models::State& state) {
    state.items().front().second.to(torch::kFloat).sum().item();
  }

  const Encoding& encoding_;
  models::Wanted wants_;
};

template <class Call>
int64_t flops(Call call) {
  const FlopCounter counter;
  call();
  return counter.count();
}

template <class Call>
double rate(int64_t items, Call call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(items) / seconds.count();
}

}  // namespace

Cost measure_cost(const Encoding& encoding) {
  const torch::NoGradGuard no_grad;
  const AtRest rest(encoding.model);
  const Passes passes(encoding);
  Cost cost;
  for (const auto& parameter : encoding.model.parameters()) cost.parameters += parameter.numel();
  cost.video_flops = flops([&] { passes.videos(1); });
  cost.text_flops = flops([&] { passes.texts(1); });
  passes.texts(kTextBatch);  // the first batch of a size pays for its memory
  cost.texts_per_second = rate(kTextBatch, [&] { passes.texts(kTextBatch); });
  passes.videos(encoding.batch);
  cost.videos_per_second = rate(encoding.batch, [&] { passes.videos(encoding.batch); });
  return cost;
}

}  // namespace vtr::eval
