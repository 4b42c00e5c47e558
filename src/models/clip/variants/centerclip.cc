#include "clip/entry.h"
#include "clip/variants/cluster.h"
#include "encoder_entries.h"

#include "vtr/core/error.h"

#include <torch/types.h>

#include <cstdio>

namespace vtr::models {
namespace {

// Before `block` (from 0) the frames become `segments` of `tokens` each.
struct Step {
  int64_t block, segments, tokens;
};

struct CenterOptions : ClipOptions {
  std::vector<std::string> clusters{"6:6x49"};
  std::string method = "k_medoids";
  int64_t iterations = 100;
  double threshold = 1e-6;
  int64_t together = 0;
  double sigma = 2;
  int64_t neighbours = 0;

  void fields(auto& f) {
    using config::at_least;
    ClipOptions::fields(f);
    f("clusters", clusters,
      "BLOCK:SEGMENTSxTOKENS, before which block (from 0) the frames become how many segments of "
      "how many tokens");
    f("method", method, "how a segment's tokens are chosen",
      config::one_of({"k_medoids", "spectral"}));
    f("iterations", iterations, "at most, of the clustering", at_least(1));
    f("threshold", threshold, "the medoids' moves at which it stops", at_least(0));
    f("together", together,
      "segments that stop together, as the authors' split (16, or 4 for patches of 16): scores "
      "then "
      "depend on the batch; 0: each for itself",
      at_least(0));
    f("sigma", sigma, "spectral: width of the kernel", at_least(1e-6));
    f("neighbours", neighbours, "spectral: of a token; 0: 5 a frame, and 5 from 100 patches on",
      at_least(0));
  }
  void check(const std::string& path) const {
    ClipOptions::check(path);
    plan(path);
  }

  std::vector<Step> plan(const std::string& path) const {
    std::vector<Step> steps;
    for (const std::string& text : clusters) {
      long block = 0, segments = 0, tokens = 0;
      int read = 0;
      const int found =
          std::sscanf(text.c_str(), "%ld:%ldx%ld%n", &block, &segments, &tokens, &read);
      VTR_CHECK(
          found == 3 && static_cast<size_t>(read) == text.size() && segments > 0 && tokens > 0,
          "{}.clusters: '{}' is not BLOCK:SEGMENTSxTOKENS, as 6:6x49", path, text);
      VTR_CHECK(block >= (steps.empty() ? 0 : steps.back().block + 1) && block < vision_layers,
                "{}.clusters: '{}': blocks ascend and are below {}", path, text, vision_layers);
      steps.push_back({block, segments, tokens});
    }
    return steps;
  }
};

// CLIP whose image tower goes on with a few tokens for several frames: Zhao et al., "CenterCLIP:
// Token Clustering for Efficient Text-Video Retrieval", SIGIR 2022.
class CenterClip final : public Clip {
 public:
  explicit CenterClip(const CenterOptions& options)
      : Clip(options), options_(options), plan_(options.plan(kClipPath)) {}

  int64_t frames_given(int64_t frames) const override {
    for (const Step& step : plan_) {
      VTR_CHECK(frames % step.segments == 0,
                "{}.clusters: {} frames (video.frames) make no {} segments", kClipPath, frames,
                step.segments);
      frames = step.segments;
    }
    return frames;
  }

  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                             const Wanted& wanted) override {
    frames_given(mask.size(1));
    Tensor x = visual()
                   .embed(pixels, seen(mask))
                   .view({mask.size(0), mask.size(1), visual().length(), -1});  // [B, T, L, W]
    Tensor shown = mask;
    const auto& blocks = visual().transformer().blocks();
    auto step = plan_.begin();
    for (int64_t i = 0; i < static_cast<int64_t>(blocks.size()); ++i) {
      if (step != plan_.end() && step->block == i) {
        shown = last_frames(shown, step->segments);
        x = clustered(x, *step++);
      }
      x = blocks[static_cast<size_t>(i)]
              ->forward(x.flatten(0, 2), x.size(2), /*causal=*/false)
              .view_as(x);
    }
    return features(x.flatten(0, 2), shown, wanted);
  }

 private:
  // The mask's last frame of every segment, [B, T] -> [B, S]. A video too short for any whole
  // segment (the authors' have none then) keeps its first.
  static Tensor last_frames(const Tensor& mask, int64_t segments) {
    const Tensor parts = mask.unflatten(1, {segments, -1});  // [B, S, frames]
    const Tensor first = at::arange(segments, mask.options().dtype(at::kLong)).eq(0);
    return parts.select(2, parts.size(2) - 1).logical_or(first.logical_and(mask.narrow(1, 0, 1)));
  }

  // [B, T, L, W] -> [B, S, 1 + K, W]: the mean of a segment's class tokens and its medoids.
  Tensor clustered(const Tensor& x, const Step& step) const {
    const int64_t frames = x.size(1) / step.segments, patches = x.size(2) - 1;
    VTR_CHECK(step.tokens <= frames * patches, "{}.clusters: {} tokens of {} in a segment",
              kClipPath, step.tokens, frames * patches);
    const Tensor segments = x.unflatten(1, {step.segments, frames});  // [B, S, frames, L, W]
    // The first segments of all videos first, which is how the authors' splits fall.
    const Tensor tokens =
        segments.narrow(3, 1, patches).transpose(0, 1).reshape({-1, frames * patches, x.size(3)});
    const Tensor ids = chosen(tokens.detach().to(at::kFloat), step.tokens, frames);  // [S*B, K]
    const Tensor medoids = tokens.gather(1, ids.unsqueeze(-1).expand({-1, -1, x.size(3)}))
                               .unflatten(0, {step.segments, -1})
                               .transpose(0, 1);  // [B, S, K, W]
    return at::cat({segments.select(3, 0).mean(2).unsqueeze(2), medoids}, 2);
  }

  // tokens [n, N, W] of segments of `frames` -> [n, K]
  Tensor chosen(const Tensor& tokens, int64_t clusters, int64_t frames) const {
    const MedoidOptions medoids{clusters, options_.iterations, options_.threshold,
                                options_.together};
    if (options_.method == "k_medoids") return k_medoids(tokens, medoids);
    const int64_t own = 5 * frames + (tokens.size(1) / frames < 100 ? 0 : 5);
    const SpectralOptions spectral{options_.sigma, options_.neighbours ? options_.neighbours : own};
    return k_medoids(spectral_embedding(tokens, clusters, spectral), medoids);
  }

  CenterOptions options_;
  std::vector<Step> plan_;
};

}  // namespace

EncoderEntry centerclip_encoder() {
  return clip_entry<CenterClip, CenterOptions>(
      "centerclip", "CLIP whose tokens are clustered between blocks (CenterCLIP)");
}

}  // namespace vtr::models
