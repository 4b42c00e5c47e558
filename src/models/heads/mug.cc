#include "heads/heads.h"
#include "heads/tokens.h"

#include <torch/types.h>

namespace vtr::models {
namespace {

struct Options {
  std::string mode = "frame_token_simple";
  double tau = 100;
  std::string mask = "true";
  void fields(auto& f) {
    f("mode", mode, "what guides what; simple: by weighted similarities instead of features",
      config::one_of({"frame_token_simple", "frame_token", "frame_text"}));
    f("tau", tau, "factor of a similarity inside every softmax", config::at_least(0));
    f("mask", mask,
      "true: padding is left out; authors: every frame counts, and what is not a word is what has "
      "a similarity of exactly 0",
      config::one_of({"true", "authors"}));
  }
};

// Mutual guidance of words and frames, without parameters: Mug-STAN, Liu et al., arXiv 2311.15075,
// 2023. With E the cosines of words and frames and A_i(x) = softmax_i(tau x),
//   t2v_l = sum_t A_t(E) E,   v2t_t = sum_l A_l(E) E,
// and the score is the mean of sum_l A_l(t2v) t2v and sum_t A_t(v2t) v2t (`simple`), or the inner
// product of the features pooled by these two weights. `frame_text` has the sentence for a word.
class Mug final : public Head {
 public:
  Mug(const Options& options, const HeadContext& context)
      : options_(options),
        context_(context),
        authors_(options.mask == "authors"),
        by_word_(options.mode != "frame_text") {}

  // What the padding holds is seen by the authors' frame_token only.
  Wanted wants() const override {
    return {.tokens = by_word_, .padding = authors_ && options_.mode == "frame_token"};
  }

  TextState text(const TextFeatures& features) override {
    if (!by_word_) {
      const Tensor sentence = unit(features.pooled).unsqueeze(1);
      return State::Items{{"words", sentence},
                          {"mask", torch::ones_like(sentence.select(-1, 0), torch::kBool)}};
    }
    const auto [tokens, mask] = words_of(features, context_.words);
    return State::Items{{"words", unit(tokens)}, {"mask", mask}};  // [N, L, D], [N, L]
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor& mask = features.mask;
    return State::Items{{"frames", unit(features.frames)},
                        {"mask", authors_ ? torch::ones_like(mask) : mask}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor cosines = interactions(text["words"], video["frames"]);  // [N, L, M, T]
    const Tensor no_word = text["mask"].logical_not().unsqueeze(-1).unsqueeze(-1);
    const Tensor no_frame = video["mask"].logical_not();
    const bool by_zero = authors_ && by_word_;
    const Tensor e = by_zero ? cosines.masked_fill(no_word, 0) : cosines;
    const bool simple = options_.mode != "frame_token";
    const Tensor t2v = (weights(e, no_frame, -1) * (simple ? e : cosines)).sum(-1);  // [N, L, M]
    const Tensor v2t = (weights(e, by_zero ? e.eq(0) : no_word, 1) * e).sum(1);      // [N, M, T]
    const Tensor by_word = weights(t2v, by_zero ? t2v.eq(0) : no_word.squeeze(-1), 1);
    const Tensor by_frame = weights(v2t, no_frame, -1);
    if (simple) return ((by_word * t2v).sum(1) + (by_frame * v2t).sum(-1)) / 2;
    return ((cosines * by_word.unsqueeze(-1)).sum(1) * by_frame).sum(-1);
  }

  int64_t pair_bytes() const override {
    const int64_t words = by_word_ ? context_.words : 1, frames = context_.frames;
    return ((authors_ ? 5 : 3) * words * frames + 4 * (words + frames)) * int64_t{sizeof(float)};
  }

 private:
  Tensor weights(const Tensor& x, const Tensor& dropped, int64_t dim) const {
    return softmax_kept(x, options_.tau, dropped, dim);
  }

  Options options_;
  HeadContext context_;
  bool authors_, by_word_;
};

}  // namespace

HeadEntry mug_head() {
  return head_entry<Mug, Options>("mug", "mutual guidance of words and frames (Mug-STAN)");
}

}  // namespace vtr::models
