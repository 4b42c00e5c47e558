#include "heads/heads.h"

#include <torch/torch.h>

#include <algorithm>

namespace vtr::models {

const Table<HeadEntry>& heads() {
  static const Table<HeadEntry> table(
      "head", {mean_pool_head(), topk_head(), cross_head(), joint_head(), attention_head(),
               seq_lstm_head(), seq_transf_head(), tight_transf_head(), mmt_head(), gated_head(),
               projection_head(), mug_head(), wti_head(), xclip_head(), ts2_head()});
  return table;
}

std::shared_ptr<Head> make_head(const config::Choice& choice, const HeadContext& context) {
  return heads().find(choice.name).make(choice.options, context);
}

Tensor score_blocked(Head& head, const TextState& text, const VideoState& video,
                     const ScoreOptions& options) {
  const torch::NoGradGuard no_grad;
  const int64_t n = text.size(), m = video.size();
  const int64_t pairs = std::max<int64_t>(1, (options.workspace_mb << 20) / head.pair_bytes());
  const int64_t columns = std::min({m, pairs, int64_t{256}});
  const int64_t rows = std::clamp<int64_t>(pairs / std::max<int64_t>(1, columns), 1, n);
  Tensor sim = torch::empty({n, m}, text.items().front().second.options().dtype(torch::kFloat));
  for (int64_t j = 0; j < m; j += columns) {
    const VideoState videos = video.slice(j, std::min(m, j + columns));
    for (int64_t i = 0; i < n; i += rows) {
      const TextState texts = text.slice(i, std::min(n, i + rows));
      sim.slice(0, i, i + rows).slice(1, j, j + columns).copy_(head.score(texts, videos));
    }
  }
  return sim;
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
