#include "heads/frame_transformer.h"
#include "heads/heads.h"
#include "heads/token_selection.h"
#include "heads/tokens.h"

#include <torch/types.h>

namespace vtr::models {
namespace {

constexpr double kSharpness = 4;  // of the softmax over the frames

struct Options : FrameTransformerOptions {
  int64_t tokens = 3;
  std::string selection = "exact";
  std::string mask = "true";
  void fields(auto& f) {
    f("tokens", tokens, "K, the patches kept of a frame beside its class token",
      config::at_least(1));
    f("selection", selection,
      "of patches in evaluation, exact: those with the largest scores; noisy: as in training and "
      "in "
      "the authors' evaluation",
      config::one_of({"exact", "noisy"}));
    f("mask", mask,
      "true: padding is left out; authors: what is left out is every (1 + K)-th of the mask",
      config::one_of({"true", "authors"}));
    FrameTransformerOptions::fields(f);
  }
};

HeadContext of_tokens(HeadContext context, int64_t per_frame) {
  context.frames *= per_frame;
  return context;
}

// Token selection: TS2-Net, Liu et al., ECCV 2022. The class token and K patches of every frame go
// through the frame transformer in one sequence; of the class tokens z that leave it,
//   sim = sum_t a_t s_t,  s_t = cos(text, z_t),  a = softmax_t(4 s / |s|).
// Its token shift is inside the encoder.
class Ts2 final : public Head {
 public:
  Ts2(const Options& options, const HeadContext& context)
      : options_(options),
        context_(context),
        selector_(register_module("visual_token_selector", std::make_shared<VisualTokenSelection>(
                                                               context.width, options.tokens))),
        transformer_(*this, options, of_tokens(context, 1 + options.tokens)) {}

  Wanted wants() const override { return {.patches = true}; }

  TextState text(const TextFeatures& features) override {
    return State::Items{{"text", unit(features.pooled)}};
  }

  VideoState video(const VideoFeatures& features) override {
    const Tensor tokens = torch::cat({features.frames.unsqueeze(2), features.patches}, 2);
    const Tensor chosen =
        selector_->forward(tokens, is_training() || options_.selection == "noisy").flatten(1, 2);
    const Tensor mask = token_mask(features.mask);  // [M, (1 + K) T], as chosen
    const Tensor mixed = transformer_.forward(chosen, mask, token_positions(features));
    return State::Items{
        {"frames", unit(mixed.slice(1, 0, c10::nullopt, per_frame()))},  // [M, T, D]
        {"mask", mask.slice(1, 0, c10::nullopt, per_frame())}};
  }

  Tensor score(const TextState& text, const VideoState& video) override {
    const Tensor s = frame_products(text["text"], video["frames"]);  // [N, M, T]
    return (weights(s, video["mask"]) * s).sum(-1);
  }

  Explanation explain(const TextState& text, const VideoState& video) override {
    const Tensor s = frame_products(text["text"], video["frames"]);  // [N, M, T]
    return {select_topk(s, video["mask"], /*topk=*/0), weights(s, video["mask"])};
  }

  int64_t pair_bytes() const override { return 6 * context_.frames * int64_t{sizeof(float)}; }

  void start_from(Encoders& encoders) override { transformer_.start_from(encoders); }

  std::string name_here(const std::string& name) const override {
    for (const std::string dead : {"text_token_selector.", "visual_prompt_encoder."}) {
      if (name.starts_with(dead)) return "";
    }
    return FrameTransformer::name_here(name);
  }

 private:
  static Tensor weights(const Tensor& s, const Tensor& mask) {  // a [N, M, T]
    return softmax_kept(unit(s * mask), kSharpness, mask.logical_not(), -1);
  }

  int64_t per_frame() const { return 1 + options_.tokens; }

  // A frame's for all its tokens; the authors tile the frames' mask instead: [M, T] -> [M, (1+K)
  // T].
  Tensor token_mask(const Tensor& mask) const {
    return options_.mask == "authors" ? mask.repeat({1, per_frame()})
                                      : mask.repeat_interleave(per_frame(), 1);
  }

  // 1, 2, .. (1 + K) T by index; by time those of the frames.
  Tensor token_positions(const VideoFeatures& features) const {
    const Tensor at = frame_positions(features, options_.time_unit);  // [M or 1, T]
    if (options_.time_unit > 0) return at.repeat_interleave(per_frame(), 1);
    return torch::arange(1, at.size(1) * per_frame() + 1, at.options()).unsqueeze(0);
  }

  Options options_;
  HeadContext context_;
  std::shared_ptr<VisualTokenSelection> selector_;
  FrameTransformer transformer_;
};

}  // namespace

HeadEntry ts2_head() {
  return head_entry<Ts2, Options>("ts2", "selected patches mixed into the frames (TS2-Net)");
}

}  // namespace vtr::models
