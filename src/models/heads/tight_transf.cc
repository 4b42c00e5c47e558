#include "heads/frame_transformer.h"
#include "heads/heads.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

struct Options : FrameTransformerOptions {
  double dropout = 0.1;
  void fields(auto& f) {
    FrameTransformerOptions::fields(f);
    f("dropout", dropout, "of the sequences that enter the transformer", config::between(0, 0.99));
  }
};

// A cross-encoder: text and frames of every pair through one transformer, whose first token gives
// the score. CLIP4Clip's tightTransf: Luo et al., Neurocomputing 508, 2022. The score is no cosine
// and takes no temperature; which loss it goes into decides that. Positions count from the text, so
// that the frames' begin at 2.
class TightTransf final : public Head {
 public:
  TightTransf(const Options& options, const HeadContext& context)
      : options_(options),
        context_(context),
        temporal_(register_module(
            "temporal",
            make_encoding(options.temporal, {context.width, context.frames + 1, options.heads}))),
        similarity_(
            register_module("similarity_dense", std::make_shared<ClipLinear>(context.width, 1))) {
    const auto cross = register_module("cross", std::make_shared<torch::nn::Module>());
    const auto pooler = cross->register_module("pooler", std::make_shared<torch::nn::Module>());
    blocks_ = cross->register_module("transformer",
                                     std::make_shared<CrossBlocks>(options, context.width));
    ln_pool_ = pooler->register_module("ln_pool", cross_norm(context.width));
    dense_ = pooler->register_module("dense",
                                     std::make_shared<ClipLinear>(context.width, context.width));
    start_linear(*dense_);
    start_linear(*similarity_);
  }

  TextState text(const TextFeatures& features) override {
    const auto options = features.pooled.options().dtype(torch::kFloat).requires_grad(false);
    const Tensor first = torch::ones({1, 1}, options);
    return State::Items{{"text", placed(features.pooled.unsqueeze(1), first)}};  // [N, 1, D]
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor& mask = features.mask;
    const Tensor at = frame_positions(features, options_.time_unit) + 1;   // [M or 1, T]
    return State::Items{{"frames", placed(features.frames, at)},           // [M, T, D]
                        {"at", with_text(at).expand({mask.size(0), -1})},  // [M, T + 1]
                        {"mask", with_text(mask)}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor& frames = video["frames"];
    const int64_t n = text.size(), m = video.size(), t = frames.size(1), d = frames.size(2);
    const Tensor pairs = torch::cat(
        {text["text"].unsqueeze(1).expand({n, m, 1, d}), frames.unsqueeze(0).expand({n, m, t, d})},
        2);  // [N, M, T + 1, D]
    const Tensor x = torch::dropout(pairs.flatten(0, 1), options_.dropout, is_training());
    const Tensor mixed = blocks_->forward(x, video["mask"].repeat({n, 1}), *temporal_,
                                          video["at"].repeat({n, 1}));  // [N * M, T + 1, D]
    const Tensor h = dense_->forward(ln_pool_(mixed.select(1, 0)));     // [N * M, D]
    return similarity_->forward(quick_gelu(h)).view({n, m});
  }

  int64_t pair_bytes() const override { return blocks_->bytes(context_.frames + 1); }

  void start_from(Encoders& encoders) override {
    start_from_text_tower(*blocks_, *temporal_, encoders);
  }

  std::string name_here(const std::string& name) const override {
    return name == "cross.embeddings.position_embeddings.weight" ? "temporal.positions" : name;
  }

 private:
  // x [B, L, D] at positions [B or 1, L]
  Tensor placed(const Tensor& x, const Tensor& at) {
    const Tensor p = temporal_->added(at);
    return p.defined() ? x + p : x;
  }

  // What holds of frames, [B, T], with the text's 1 before it: [B, T + 1].
  static Tensor with_text(const Tensor& of_frames) {
    return torch::cat({torch::ones_like(of_frames.slice(1, 0, 1)), of_frames}, 1);
  }

  Options options_;
  HeadContext context_;
  std::shared_ptr<TemporalEncoding> temporal_;
  std::shared_ptr<CrossBlocks> blocks_;
  torch::nn::LayerNorm ln_pool_{nullptr};
  std::shared_ptr<ClipLinear> dense_, similarity_;
};

}  // namespace

HeadEntry tight_transf_head() {
  return head_entry<TightTransf, Options>(
      "tight_transf", "text and frames of a pair through one transformer (CLIP4Clip tightTransf)");
}

}  // namespace vtr::models
