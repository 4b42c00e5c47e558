#include "vtr/eval/evaluator.h"

#include "vtr/core/error.h"
#include "vtr/report/progress.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>

namespace vtr::eval {
namespace {

// The captions of a split with the column of each one's video; videos that could not be read are
// left out of both.
struct Queries {
  std::vector<std::string> captions;
  std::vector<int64_t> target;
};

Queries collect_queries(const data::Manifest& manifest, const std::vector<int64_t>& skipped) {
  Queries queries;
  int64_t column = 0;
  for (size_t i = 0; i < manifest.videos.size(); ++i) {
    if (std::find(skipped.begin(), skipped.end(), static_cast<int64_t>(i)) != skipped.end())
      continue;
    for (const auto& caption : manifest.videos[i].captions) {
      queries.captions.push_back(caption);
      queries.target.push_back(column);
    }
    ++column;
  }
  return queries;
}

models::TextState encode_texts(models::Retriever& model, const text::Tokenizer& tokenizer,
                               const std::vector<std::string>& captions,
                               const data::LoaderSettings& settings, const std::string& precision) {
  constexpr size_t kBatch = 256;
  std::vector<models::State> parts;
  for (size_t i = 0; i < captions.size(); i += kBatch) {
    const std::vector<std::string> some(captions.begin() + i,
                                        captions.begin() + std::min(captions.size(), i + kBatch));
    const auto batch = data::tokenize(tokenizer, some, settings.max_words, settings.pad_words);
    parts.push_back(model.text(batch.ids, batch.mask, precision));
  }
  return models::State::cat(parts);
}

models::VideoState encode_videos(models::Retriever& model, data::VideoLoader& loader,
                                 int64_t videos, const std::string& precision) {
  report::Progress progress("encode", "videos", videos);
  std::vector<models::State> parts;
  while (auto batch = loader.next()) {
    parts.push_back(model.video(batch->pixels, batch->mask, batch->times, precision));
    progress.advance(batch->mask.size(0));
  }
  VTR_CHECK(!parts.empty(), "none of the {} videos could be read", videos);
  return models::State::cat(parts);
}

}  // namespace

Evaluation evaluate(models::Retriever& model, const data::Manifest& manifest,
                    const text::Tokenizer& tokenizer, const data::LoaderSettings& settings,
                    const EvalOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  data::VideoLoader loader(manifest, settings, options.batch);
  const auto videos =
      encode_videos(model, loader, static_cast<int64_t>(manifest.videos.size()), options.precision);
  const Queries queries = collect_queries(manifest, loader.skipped());
  const auto texts = encode_texts(model, tokenizer, queries.captions, settings, options.precision);
  const Tensor sim =
      models::score_blocked(model.head(), texts, videos, {.workspace_mb = options.workspace_mb});
  model.train(was_training);

  const Tensor target = torch::tensor(queries.target);
  Evaluation result;
  result.t2v_ranks = ranks_t2v(sim, target);
  result.v2t_ranks = ranks_v2t(sim, target);
  result.t2v = summarize(result.t2v_ranks);
  result.v2t = summarize(result.v2t_ranks);
  result.videos = videos.size();
  result.skipped = manifest.skipped + static_cast<int64_t>(loader.skipped().size());
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace vtr::eval
