#include "heads/frame_transformer.h"
#include "heads/heads.h"
#include "heads/tokens.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <limits>
#include <optional>
#include <tuple>

namespace vtr::models {
namespace {

struct Options : FrameTransformerOptions {
  std::string interaction = "weighted";
  int64_t arch = 2;
  std::string agg_module = "seqTransf";
  std::string mask = "true";
  int64_t decorrelation = 3;
  double alpha1 = 0.11, alpha2 = 0, lambda = 0.001;
  void fields(auto& f) {
    f("interaction", interaction, "weights of words and of frames: learned, or all the same",
      config::one_of({"weighted", "uniform"}));
    f("arch", arch, "linear layers from a feature to its weight", config::between(1, 3));
    f("agg_module", agg_module, "what mixes the frames first",
      config::one_of({"none", "seqTransf"}));
    f("mask", mask, "true: padding is never the nearest; authors: it is, with similarity 0",
      config::one_of({"true", "authors"}));
    f("decorrelation", decorrelation,
      "channel decorrelation between 1: a word and a frame at random, 2: words or frames and their "
      "nearest, 3: these, weighted; 0: none",
      config::between(0, 3));
    f("alpha1", alpha1, "its part of a channel with itself", config::at_least(0));
    f("alpha2", alpha2, "its part of a channel with another", config::at_least(0));
    f("lambda", lambda, "its part of the loss", config::at_least(0));
    FrameTransformerOptions::fields(f);
  }
};

// Linear layers with ReLU between them, from D to 1; N(0, 0.02), biases 0.
torch::nn::Sequential weight_layers(int64_t width, int64_t arch) {
  torch::nn::Sequential layers;
  const torch::NoGradGuard no_grad;
  for (int64_t i = 1; i <= arch; ++i) {
    torch::nn::Linear linear(width, i < arch ? width : 1);
    linear->weight.normal_(0, 0.02);
    linear->bias.zero_();
    layers->push_back(linear);
    if (i < arch) layers->push_back(torch::nn::ReLU());
  }
  return layers;
}

// The cross-correlation [D, D] of the channels of x and y [R, D], standardised over the rows that
// count (0 or 1, [R]), with a weight a row.
Tensor correlation(const Tensor& x, const Tensor& y, const Tensor& counts, const Tensor& weights) {
  const Tensor rows = counts.unsqueeze(-1), n = counts.sum();
  const auto standardised = [&](const Tensor& z) {
    const Tensor centred = z - (z * rows).sum(0) / n;
    const Tensor variance = (centred.square() * rows).sum(0) / (n - 1).clamp_min(1);
    return centred * variance.clamp_min(1e-12).rsqrt();  // a channel may be the same in all rows
  };
  return (standardised(x) * weights.unsqueeze(-1)).t().matmul(standardised(y));
}

// One place at random among the true ones of each row: x [R, L, D], mask [R, L] -> [R, D].
Tensor any_of(const Tensor& x, const Tensor& mask) {
  const Tensor chance = torch::rand_like(x.select(-1, 0)).masked_fill(mask.logical_not(), -1);
  const Tensor place = chance.argmax(-1).view({-1, 1, 1}).expand({-1, 1, x.size(-1)});
  return x.gather(1, place).squeeze(1);
}

// Weighted token-wise interaction and channel decorrelation: DRL, Wang et al., arXiv 2203.07111,
// 2022. With E the cosines of words and frames,
//   sim = (sum_l w_l max_t E + sum_t v_t max_l E) / 2.
class Wti final : public Head {
 public:
  Wti(const Options& options, const HeadContext& context)
      : options_(options), context_(context), authors_(options.mask == "authors") {
    if (options.interaction == "weighted") {
      const int64_t width = context.width;
      text_weight_ = register_module("text_weight_fc", weight_layers(width, options.arch));
      video_weight_ = register_module("video_weight_fc", weight_layers(width, options.arch));
    }
    if (options.agg_module == "seqTransf") transformer_.emplace(*this, options, context);
  }

  // What the padding holds is seen by the authors' decorrelation only.
  Wanted wants() const override { return {.tokens = true, .padding = authors_}; }

  TextState text(const TextFeatures& features) override {
    const auto [tokens, mask] = words_of(features, context_.words);
    return State::Items{{"words", unit(tokens)},  // [N, L, D]
                        {"weight", weight(text_weight_, tokens, mask)},
                        {"mask", mask}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor& mask = features.mask;
    Tensor frames = features.frames;
    if (transformer_) {
      frames = transformer_->forward(frames, mask, frame_positions(features, options_.time_unit));
    }
    return State::Items{{"frames", unit(frames)},  // [M, T, D]
                        {"weight", weight(video_weight_, frames, mask)},
                        {"mask", mask}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor e = interactions(text["words"], video["frames"]);  // [N, L, M, T]
    const Nearest nearest = nearest_of(e, text["mask"].unsqueeze(-1).unsqueeze(-1), video["mask"]);
    const Tensor t2v = (std::get<0>(nearest.frame) * text["weight"].unsqueeze(-1)).sum(1);
    const Tensor v2t = (std::get<0>(nearest.word) * video["weight"]).sum(-1);
    return (t2v + v2t) / 2;
  }

  int64_t pair_bytes() const override {
    const int64_t words = context_.words, frames = context_.frames;
    return (3 * words * frames + 6 * (words + frames)) * int64_t{sizeof(float)};
  }

  Tensor penalty(const TextState& text, const VideoState& video) override {
    if (options_.decorrelation == 0) return {};
    const Tensor c =
        options_.decorrelation == 1 ? of_samples(text, video) : of_nearest(text, video);
    const Tensor same = c.diagonal();
    const Tensor on = (same - 1).square().sum();
    const Tensor off = (c - same.diag_embed()).square().sum();
    return options_.lambda * (options_.alpha1 * on + options_.alpha2 * off);
  }

  void start_from(Encoders& encoders) override {
    if (transformer_) transformer_->start_from(encoders);
  }

  std::string name_here(const std::string& name) const override {
    for (const std::string layers : {"text_weight_fc", "video_weight_fc"}) {
      for (const std::string part : {".weight", ".bias"}) {  // arch 1 is a layer, not a list of one
        if (name == layers + part) return layers + ".0" + part;
      }
    }
    return FrameTransformer::name_here(name);
  }

 private:
  // The largest of E and its place: over the frames [N, L, ..], over the words [N, .., T].
  struct Nearest {
    std::tuple<Tensor, Tensor> frame, word;
  };

  // e [N, L, .., T]; is_word and is_frame bool, broadcast.
  Nearest nearest_of(const Tensor& e, const Tensor& is_word, const Tensor& is_frame) const {
    const Tensor no_word = is_word.logical_not(), no_frame = is_frame.logical_not();
    if (authors_) {
      const Tensor zeroed = e.masked_fill(no_word, 0).masked_fill_(no_frame, 0);
      return {zeroed.max(-1), zeroed.max(1)};
    }
    const double lowest = -std::numeric_limits<double>::infinity();
    return {e.masked_fill(no_frame, lowest).max(-1), e.masked_fill(no_word, lowest).max(1)};
  }

  // Over the tokens of an item, sums to 1: x [B, L, D], mask [B, L] -> [B, L].
  Tensor weight(torch::nn::Sequential& layers, const Tensor& x, const Tensor& mask) const {
    const Tensor logits =
        layers ? layers->forward(x).squeeze(-1) : torch::zeros_like(x.select(-1, 0));
    return softmax_kept(logits, 1, mask.logical_not(), -1);
  }

  static Tensor of_samples(const TextState& text, const VideoState& video) {
    const Tensor word = any_of(text["words"], text["mask"]);
    const Tensor frame = any_of(video["frames"], video["mask"]);
    const Tensor ones = torch::ones_like(word.select(-1, 0));
    return correlation(word, frame, ones, ones / ones.sum());
  }

  // The words of text n with their nearest frames in video n, and the reverse; the mean of the two.
  Tensor of_nearest(const TextState& text, const VideoState& video) const {
    const Tensor& words = text["words"];
    const Tensor& frames = video["frames"];
    const Nearest nearest = nearest_of(words.matmul(frames.transpose(1, 2)),
                                       text["mask"].unsqueeze(-1), video["mask"].unsqueeze(1));
    const auto half = [&](const State& own, const Tensor& x, const Tensor& other,
                          const Tensor& place) {
      const Tensor y = other.gather(1, place.unsqueeze(-1).expand({-1, -1, other.size(-1)}));
      const Tensor counts = own["mask"].flatten().to(x.scalar_type());
      const Tensor weights = options_.decorrelation == 2
                                 ? counts / counts.sum()
                                 : own["weight"].flatten() / static_cast<double>(own.size());
      return correlation(x.flatten(0, 1), y.flatten(0, 1), counts, weights);
    };
    return (half(text, words, frames, std::get<1>(nearest.frame)) +
            half(video, frames, words, std::get<1>(nearest.word))) /
           2;
  }

  Options options_;
  HeadContext context_;
  bool authors_;
  torch::nn::Sequential text_weight_{nullptr}, video_weight_{nullptr};
  std::optional<FrameTransformer> transformer_;
};

}  // namespace

HeadEntry wti_head() {
  return head_entry<Wti, Options>("wti", "weighted token-wise interaction (DRL)");
}

}  // namespace vtr::models
