#include "heads/heads.h"

#include <torch/nn/functional/normalization.h>
#include <torch/types.h>

#include <algorithm>

namespace vtr::models {

const Table<HeadEntry>& heads() {
  static const Table<HeadEntry> table(
      "head", {mean_pool_head(), topk_head(), attention_head(), seq_lstm_head(), seq_transf_head(),
               tight_transf_head(), xpool_head(), cross_head(), joint_head(), xclip_head(),
               ts2_head(), mug_head(), wti_head(), mmt_head(), gated_head(), projection_head()});
  return table;
}

std::shared_ptr<Head> make_head(const config::Choice& choice, const HeadContext& context) {
  return heads().find(choice.name).make(choice.options, context);
}

namespace {

// From so many texts on, a factored head's preparation of the videos pays for itself.
constexpr int64_t kTextsToFactor = 16;
constexpr int64_t kTextBlock = 512;

// Rows and columns of a block; `prepare` makes of a block of videos a function of texts to scores.
template <class Prepare>
void fill_blocks(Tensor& sim, const TextState& text, const VideoState& video, int64_t rows,
                 int64_t columns, Prepare prepare) {
  for (int64_t j = 0; j < video.size(); j += columns) {
    const int64_t end = std::min(video.size(), j + columns);
    const auto score = prepare(VideoState(video.slice(j, end).to(torch::kFloat)));
    for (int64_t i = 0; i < text.size(); i += rows) {
      const TextState texts = text.slice(i, std::min(text.size(), i + rows)).to(torch::kFloat);
      sim.slice(0, i, i + rows).slice(1, j, end).copy_(score(texts));
    }
  }
}

void fill_factored(const Factored& factored, Tensor& sim, const TextState& text,
                   const VideoState& video, int64_t workspace) {
  const auto bytes = factored.bytes();
  const int64_t rows =
      std::min({text.size(), kTextBlock, std::max<int64_t>(1, workspace / 4 / bytes.text)});
  const int64_t columns =
      std::max<int64_t>(1, (workspace - rows * bytes.text) / (bytes.video + rows * bytes.pair));
  fill_blocks(sim, text, video, rows, columns, [&](const VideoState& block) {
    return [&factored, prepared = factored.video(block)](const TextState& texts) {
      return factored.score(factored.text(texts), prepared);
    };
  });
}

}  // namespace

Tensor score_blocked(Head& head, const TextState& text, const VideoState& video,
                     const ScoreOptions& options) {
  const torch::NoGradGuard no_grad;
  const int64_t n = text.size(), m = video.size(), workspace = options.workspace_mb << 20;
  const auto place = text.items().front().second.device();
  Tensor sim = torch::empty({n, m}, torch::TensorOptions(place).dtype(torch::kFloat));
  const bool automatic = options.scoring == Scoring::automatic;
  if (options.scoring == Scoring::factored ||
      (automatic && place.is_cpu() && n >= kTextsToFactor && !head.is_training())) {
    VTR_CHECK(place.is_cpu(), "factored scoring runs on the CPU; these states are on {}",
              place.str());
    if (const auto factored = head.factored()) {
      fill_factored(*factored, sim, text, video, workspace);
      return sim;
    }
    VTR_CHECK(automatic, "this head's scores do not factor");
  }
  const bool naive = options.scoring == Scoring::naive;
  const int64_t pairs =
      std::max<int64_t>(1, workspace / (naive ? head.naive_bytes() : head.pair_bytes()));
  // All texts at once where they fit: what `score` does once a video is then done once.
  const int64_t columns = std::min({m, pairs, std::clamp<int64_t>(pairs / n, 16, 256)});
  const int64_t rows = std::clamp<int64_t>(pairs / columns, 1, n);
  fill_blocks(sim, text, video, rows, columns, [&](const VideoState& block) {
    return [&head, naive, block](const TextState& texts) {
      return naive ? head.naive(texts, block) : head.score(texts, block);
    };
  });
  return sim;
}

Tensor unit(const Tensor& x) {
  return torch::nn::functional::normalize(x, torch::nn::functional::NormalizeFuncOptions().dim(-1));
}

Tensor frame_products(const Tensor& texts, const Tensor& frames) {
  return texts.matmul(frames.flatten(0, 1).t()).view({-1, frames.size(0), frames.size(1)});
}

void check_topk(int64_t topk, const HeadContext& context) {
  VTR_CHECK(topk <= context.frames,
            "model.head.topk: {} is more than the {} frames of a video "
            "(video.frames)",
            topk, context.frames);
}

Tensor select_topk(const Tensor& relevance, const Tensor& mask, int64_t topk) {
  const double lowest = -std::numeric_limits<double>::infinity();
  Tensor kept = relevance.masked_fill(mask.logical_not().unsqueeze(0), lowest);
  if (topk > 0 && topk < relevance.size(-1)) {
    const Tensor chosen = std::get<1>(kept.detach().topk(topk, -1));
    const Tensor dropped = torch::ones_like(kept, torch::kBool).scatter(-1, chosen, false);
    kept = kept.masked_fill(dropped, lowest);
  }
  return kept;
}

}  // namespace vtr::models
