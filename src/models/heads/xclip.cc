#include "heads/frame_transformer.h"
#include "heads/heads.h"
#include "heads/tokens.h"
#include "heads/vector_head.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <optional>

namespace vtr::models {
namespace {

constexpr double kSharpness = 100;  // one over the temperature of every softmax

struct Options : FrameTransformerOptions {
  std::string sim_header = "seqTransf";
  std::string mask = "true";
  void fields(auto& f) {
    f("sim_header", sim_header, "what mixes the frames into the video",
      config::one_of({"seqTransf", "meanP"}));
    f("mask", mask, "true: padding is left out; authors: only out of the video, not of its frames",
      config::one_of({"true", "authors"}));
    FrameTransformerOptions::fields(f);
  }
};

// Multi-grained contrast: X-CLIP, Ma et al., ACM MM 2022. With sentence s, words w, frames f and
// video v, all of length 1, and attention over similarities att_W(x) = sum x * (softmax(100 x) W),
//   sim = (s G v + att(w . v) + att(s . f) + (att(att_words(E)) + att(att_frames(E))) / 2) / 4,
// E = (w L) . f. The square W of each att make words and frames of a fixed number.
class XClip final : public Head {
 public:
  XClip(const Options& options, const HeadContext& context)
      : options_(options), context_(context), authors_(options.mask == "authors") {
    global_ = identity("global_mat_weight", context.width);
    local_ = identity("local_mat_weight", context.width);
    word_logit_ = identity("word_logit_weight", context.words);
    word_mat_ = identity("word_mat_weight", context.words);
    word_mat2_ = identity("word_mat_weight2", context.words);
    frame_logit_ = identity("frame_logit_weight", context.frames);
    frame_mat_ = identity("frame_mat_weight", context.frames);
    frame_mat2_ = identity("frame_mat_weight2", context.frames);
    if (options.sim_header == "seqTransf") transformer_.emplace(*this, options, context);
  }

  Wanted wants() const override { return {.tokens = true, .padding = true}; }

  TextState text(const TextFeatures& features) override {
    VTR_CHECK(features.tokens.size(1) == context_.words,
              "model.head: xclip's weights are for texts of {} tokens, padding included, not of {} "
              "(text.max_words)",
              context_.words, features.tokens.size(1));
    const Tensor sentence = unit(features.pooled);                    // [N, D]
    const Tensor words = kept(unit(features.tokens), features.mask);  // [N, L, D]
    return State::Items{{"sentence", sentence},
                        {"to_video", sentence.matmul(global_)},
                        {"words", words},
                        {"to_frames", words.matmul(local_)},
                        {"mask", seen(features.mask)}};
  }

  VideoState video(const VideoFeatures& features) override {
    VTR_CHECK(features.frames.size(1) == context_.frames,
              "model.head: xclip's weights are for videos of {} frames, padding included, not of "
              "{} (video.frames)",
              context_.frames, features.frames.size(1));
    const Tensor& mask = features.mask;
    Tensor mixed = features.frames;
    if (transformer_) {
      mixed = transformer_->forward(mixed, mask, frame_positions(features, options_.time_unit));
    }
    return State::Items{{"video", unit(unit_frames_mean(mixed, mask))},  // [M, D]
                        {"frames", kept(unit(features.frames), mask)},   // [M, T, D]
                        {"mask", seen(mask)}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor no_word = text["mask"].logical_not().unsqueeze(-1);  // [N, L, 1]
    const Tensor no_frame = video["mask"].logical_not();              // [M, T]
    const Tensor& frames = video["frames"];
    const Tensor words_video = text["words"].matmul(video["video"].t());      // [N, L, M]
    const Tensor text_frames = frame_products(text["sentence"], frames);      // [N, M, T]
    const Tensor e = interactions(text["to_frames"], frames);                 // [N, L, M, T]
    const Tensor by_frame = over_words(e, word_mat_, no_word.unsqueeze(-1));  // [N, M, T]
    const Tensor by_word = over_frames(e, frame_mat_, no_frame);              // [N, L, M]
    const Tensor fine =
        over_frames(by_frame, frame_mat2_, no_frame) + over_words(by_word, word_mat2_, no_word);
    return (text["to_video"].matmul(video["video"].t()) +
            over_words(words_video, word_logit_, no_word) +
            over_frames(text_frames, frame_logit_, no_frame) + fine / 2) /
           4;
  }

  int64_t pair_bytes() const override {
    const int64_t words = context_.words, frames = context_.frames;
    return (5 * words * frames + 6 * (words + frames)) * int64_t{sizeof(float)};
  }

  void start_from(Encoders& encoders) override {
    if (transformer_) transformer_->start_from(encoders);
  }
  std::string name_here(const std::string& name) const override {
    return FrameTransformer::name_here(name);
  }

 private:
  Tensor identity(const std::string& name, int64_t size) {
    return register_parameter(name, torch::eye(size));
  }

  // Padding as zeros, whose similarities are zero whatever a W gives them.
  Tensor kept(const Tensor& x, const Tensor& mask) const {
    return authors_ ? x : x * mask.unsqueeze(-1);
  }
  Tensor seen(const Tensor& mask) const { return authors_ ? torch::ones_like(mask) : mask; }

  // x [N, L, ..] -> [N, ..]
  static Tensor over_words(const Tensor& x, const Tensor& w, const Tensor& dropped) {
    const Tensor a = softmax_kept(x, kSharpness, dropped, 1);
    return (w.t().matmul(a.flatten(2)).view_as(x) * x).sum(1);
  }
  // x [N, .., T] -> [N, ..]
  static Tensor over_frames(const Tensor& x, const Tensor& w, const Tensor& dropped) {
    return (softmax_kept(x, kSharpness, dropped, -1).matmul(w) * x).sum(-1);
  }

  Options options_;
  HeadContext context_;
  bool authors_;
  Tensor global_, local_;                        // [D, D]
  Tensor word_logit_, word_mat_, word_mat2_;     // [L, L]
  Tensor frame_logit_, frame_mat_, frame_mat2_;  // [T, T]
  std::optional<FrameTransformer> transformer_;
};

}  // namespace

HeadEntry xclip_head() {
  return head_entry<XClip, Options>("xclip",
                                    "multi-grained contrast of sentence, words, frames "
                                    "and video (X-CLIP)");
}

}  // namespace vtr::models
