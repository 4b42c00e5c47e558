// What the text-conditioned attention heads (`xpool`, `cross`, `joint`) share: projections and
// norms under X-Pool's names, temporal encoding, the relevance of a frame, and the tail.
#pragma once

#include "temporal/temporal.h"

#include "vtr/models/head.h"

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace vtr::models {

struct AttentionOptions : TemporalOptions {
  int64_t heads = 1;
  int64_t topk = 0;
  double dropout = 0.3;
  double init_noise = 0;
  void fields(auto& f) {
    f("heads", heads, "attention heads", config::at_least(1));
    TemporalOptions::fields(f);
    f("topk", topk, "K, the frames kept for a text; 0: all", config::at_least(0));
    f("dropout", dropout, "dropout of the last linear layer", config::between(0, 0.99));
    f("init_noise", init_noise, "projections start as the identity plus noise of this over sqrt(D)",
      config::at_least(0));
  }
};

struct ProjectionsImpl : torch::nn::Module {
  ProjectionsImpl(int64_t width, double noise);
  torch::nn::Linear q, k, v, out;
};
TORCH_MODULE(Projections);

// What exact factored scoring (factored/) takes from a head.
struct AttentionParts {
  AttentionOptions options;
  int64_t frames;
  bool rotates;  // q and k, by their positions
  Projections attention;
  torch::nn::Linear linear;
  torch::nn::LayerNorm norm2, norm3;
};

// With d = D/H the relevance of frame i, averaged over the attention heads, is one inner product:
//   r_i = mean_h (q_s . k_i)_h / sqrt(d) = (q_s . k_i) / (H sqrt(d)).
class AttentionHead : public Head {
 public:
  AttentionHead(const AttentionOptions& options, const HeadContext& context);

 protected:
  Tensor split(const Tensor& x) const;  // [B, ..., D] -> [B, ..., H, d]
  double head_scale() const;            // 1 / sqrt(d)
  Tensor positions(const VideoFeatures& features) const;
  Tensor placed_frames(const VideoFeatures& features);  // f_i = LN1(x_i) + p_i  [M, T, D]
  // r [N, M, T] from the texts' q [N, D], the frames' k [M, T, D] and the videos' state, -inf where
  // not among the `topk` kept.
  Tensor relevance(const Tensor& q, const Tensor& k, const VideoState& video, int64_t topk) const;
  // From so many texts on it pays to take a video's own vectors through W_o, not every pair's.
  bool projects_videos(int64_t texts) const { return texts >= 2 * context_.frames; }
  // By attention head, without its bias: [B, H, T, d] -> H of [B, T, D].
  std::vector<Tensor> projected(const Tensor& vectors) const;
  // pooled [M, N, D] -> sim [N, M] = n(t) . n(LN3(z + Dropout(W z + b))), z = LN2(pooled)
  Tensor tail(const Tensor& pooled, const Tensor& text);

  AttentionParts parts() const {
    return {options_, context_.frames, temporal_->rotates(), attention_, linear_, norm2_, norm3_};
  }

  AttentionOptions options_;
  HeadContext context_;
  Projections attention_;
  torch::nn::Linear linear_;
  torch::nn::LayerNorm norm1_, norm2_, norm3_;
  std::shared_ptr<TemporalEncoding> temporal_;
};

}  // namespace vtr::models
