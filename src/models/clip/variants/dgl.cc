#include "clip/entry.h"
#include "clip/variants/dgl_prompts.h"
#include "encoder_entries.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <algorithm>

namespace vtr::models {
namespace {

// A frozen CLIP that prompts adapt: those of texts and frames are new in every block, a few global
// ones go through the image tower beside the frames, see them all, and the first of them is the
// video. Yang et al., "DGL: Dynamic Global-Local Prompt Tuning for Text-Video Retrieval", AAAI
// 2024.
class Dgl final : public Clip {
 public:
  explicit Dgl(const DglOptions& options) : Clip(options), options_(options) {
    for (auto& parameter : parameters()) parameter.set_requires_grad(false);
    global_ = visual().register_parameter(
        "prompt_embeddings", at::empty({1, options.global_prompts, options.vision_width}));
    source_ = make_prompt_source(*this, options);
  }

  EncoderInfo info() const override {
    EncoderInfo info = Clip::info();
    info.gives.patches = false;
    return info;
  }

  int64_t frames_given(int64_t frames) const override {
    check_frames(frames);
    return 1;
  }

  void reset_added() override {
    Clip::reset_added();
    const torch::NoGradGuard no_grad;
    global_.uniform_(-prompt_bound(options_), prompt_bound(options_));
    source_->reset();
  }

  TextFeatures encode_text(const Tensor& ids, const Tensor& mask, const Wanted& wanted) override {
    const int64_t length = ids.size(1), width = options_.text_width;
    const Tensor prompts = source_->prompts().text;  // [layers, n, W]
    const int64_t count = prompts.size(1);
    Tensor x = text().embed(ids, mask).view({-1, length, width});
    int64_t i = 0;
    for (const auto& block : text().transformer().blocks()) {
      const Tensor all = with_prompts(x, prompts[i++], 1);  // [B, n + L, W]
      const Tensor y = block->forward(all.view({-1, width}), length + count, /*causal=*/true);
      x = without_prompts(y.view_as(all), count, 1);
    }
    return text().features(x.view({-1, width}), mask, wanted.tokens);
  }

  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask, const Wanted&) override {
    const int64_t batch = mask.size(0), frames = mask.size(1);
    check_frames(frames);
    const Tensor prompts = source_->prompts().video;  // [layers, frames or 1, n, W]
    const Tensor shown = seen(mask);
    const int64_t length = visual().length() + options_.frame_prompts;
    const Tensor keep = at::cat({at::ones({batch, options_.global_prompts}, shown.options()),
                                 shown.repeat_interleave(length, 1)},
                                1);  // [B, S], S = G + T * length
    Tensor global = global_.expand({batch, -1, -1});
    Tensor x = visual().embed(pixels, shown).view({batch, frames, -1, options_.vision_width});
    int64_t i = 0;
    for (const auto& block : visual().transformer().blocks()) {
      const Tensor local = prompts[i++].narrow(0, 0, std::min(frames, prompts.size(1)));
      const Tensor tokens = with_prompts(x, local, 2);
      const Tensor all = at::cat({global, tokens.flatten(1, 2)}, 1);  // [B, S, W]
      const Tensor y =
          block->run(all, [=, this](const Tensor& z) { return mixed(*block, z, frames, keep); });
      global = y.narrow(1, 0, global.size(1));
      x = without_prompts(y.narrow(1, global.size(1), frames * length).view_as(tokens),
                          options_.frame_prompts, 2);
    }
    return {visual().project(global.narrow(1, 0, 1)), {}, mask.any(1, /*keepdim=*/true)};
  }

 private:
  void check_frames(int64_t frames) const {
    VTR_CHECK(options_.generator == "linear" || frames <= options_.frames,
              "{}.frames: prompts for {} frames, but videos have {} (video.frames)", kClipPath,
              options_.frames, frames);
  }

  // Prompts [..., n, W] behind the first token of x [B, ..., L, W], along `dim`; and away again.
  static Tensor with_prompts(const Tensor& x, const Tensor& prompts, int64_t dim) {
    std::vector<int64_t> sizes = x.sizes().vec();
    sizes[static_cast<size_t>(dim)] = prompts.size(-2);
    return at::cat({x.narrow(dim, 0, 1), prompts.expand(sizes), x.narrow(dim, 1, x.size(dim) - 1)},
                   dim);
  }
  static Tensor without_prompts(const Tensor& x, int64_t count, int64_t dim) {
    return at::cat({x.narrow(dim, 0, 1), x.narrow(dim, 1 + count, x.size(dim) - 1 - count)}, dim);
  }

  // A block in which a frame's tokens see the global prompts and their own frame, and the global
  // prompts see everything: x [B, S, W], keep [B, S] -> [B, S, W].
  Tensor mixed(ClipBlock& block, const Tensor& x, int64_t frames, const Tensor& keep) const {
    const int64_t batch = x.size(0), size = x.size(1), global = options_.global_prompts;
    const Tensor rows = x.view({-1, x.size(2)});
    const auto [q, k, v] = block.attn->project(block.ln_1(rows), size);  // [B, H, S, d]
    const auto by_frame = [&](const Tensor& y) {                         // [B, T, H, length, d]
      return y.narrow(2, global, size - global).unflatten(2, {frames, -1}).transpose(1, 2);
    };
    const auto with_global = [&](const Tensor& y) {  // [B*T, H, G + length, d]
      const Tensor first = y.narrow(2, 0, global).unsqueeze(1).expand({-1, frames, -1, -1, -1});
      return at::cat({first, by_frame(y)}, 3).flatten(0, 1);
    };
    const Tensor of_frames = attend(by_frame(q).flatten(0, 1), with_global(k), with_global(v))
                                 .unflatten(0, {batch, frames})
                                 .transpose(1, 2)
                                 .flatten(2, 3);  // [B, H, S - G, d]
    const Tensor of_global =
        attend(q.narrow(2, 0, global), k, v, /*causal=*/false, keep.view({batch, 1, 1, size}));
    const Tensor attention = block.attn->merge(at::cat({of_global, of_frames}, 2));
    return block.after(attention, rows).view_as(x);
  }

  DglOptions options_;
  Tensor global_;  // [1, G, W]
  std::unique_ptr<PromptSource> source_;
};

}  // namespace

EncoderEntry dgl_encoder() {
  return clip_entry<Dgl, DglOptions>(
      "dgl", "frozen CLIP with prompts that see frames and video (DGL); one frame a video");
}

}  // namespace vtr::models
