#include "clip/entry.h"
#include "clip/variants/patch_shift.h"
#include "encoder_entries.h"

#include "vtr/core/error.h"

#include <torch/types.h>

namespace vtr::models {
namespace {

constexpr int64_t kFolds = 7;

struct ShiftOptions : ClipOptions {
  int64_t shift_layers = 2;
  void fields(auto& f) {
    ClipOptions::fields(f);
    f("shift_layers", shift_layers,
      "the last blocks of the image tower, whose attention is shifted", config::at_least(0));
  }
  void check(const std::string& path) const {
    ClipOptions::check(path);
    VTR_CHECK(shift_layers <= vision_layers, "{}.shift_layers: {} of {} blocks", path, shift_layers,
              vision_layers);
    const int64_t side = image_resolution / patch;
    VTR_CHECK(1 + side * side >= kFolds,
              "{}.patch: {} leaves {} tokens a frame, and a shift needs {}: take smaller patches",
              path, patch, 1 + side * side, kFolds);
  }
};

// CLIP whose last blocks exchange tokens between frames: TS2-Net's image tower. Its token selection
// is the head of that name.
class ShiftClip final : public Clip {
 public:
  explicit ShiftClip(const ShiftOptions& options)
      : Clip(options), plain_(options.vision_layers - options.shift_layers) {}

  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                             const Wanted& wanted) override {
    const Tensor from = seen(mask);
    const int64_t length = visual().length();
    Tensor x = visual().embed(pixels, from);  // [B*T*L, W]
    const Tensor rows = at::arange(x.size(0), from.options().dtype(at::kLong)) +
                        shift_steps(from, length).flatten() * length;
    int64_t i = 0;
    for (const auto& block : visual().transformer().blocks()) {
      if (i++ < plain_) {
        x = block->forward(x, length, /*causal=*/false);
      } else {
        x = block->run(x, [=](const Tensor& y) {
          const Tensor shifted = block->ln_1(y).index_select(0, rows);
          return block->after(block->attn->forward(shifted, length, /*causal=*/false), y);
        });
      }
    }
    return features(x, mask, wanted);
  }

 private:
  int64_t plain_;  // blocks before the first shift
};

}  // namespace

Tensor shift_steps(const Tensor& mask, int64_t length) {
  const Tensor edge = at::zeros_like(mask.narrow(1, 0, 1));
  const int64_t others = mask.size(1) - 1, fold = length / kFolds;
  const Tensor before = at::cat({edge, mask.narrow(1, 0, others)}, 1).unsqueeze(-1);  // [B, T, 1]
  const Tensor after = at::cat({mask.narrow(1, 1, others), edge}, 1).unsqueeze(-1);
  const Tensor token = at::arange(length, mask.options().dtype(at::kLong));  // [L]
  const auto from = [&](int64_t first) {
    return token.ge(first).logical_and((token - first).remainder(fold).eq(0));
  };
  const Tensor next = from(4).logical_and(after), previous = from(1).logical_and(before);
  return next.to(at::kLong) - previous.logical_and(next.logical_not()).to(at::kLong);
}

EncoderEntry ts2_shift_encoder() {
  return clip_entry<ShiftClip, ShiftOptions>(
      "ts2_shift", "CLIP whose last blocks exchange patches between frames (TS2-Net)");
}

}  // namespace vtr::models
