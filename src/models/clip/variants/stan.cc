#include "clip/entry.h"
#include "encoder_entries.h"
#include "pooling.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

// Names are Hugging Face's CLIP's, which the authors build on.
namespace vtr::models {
namespace {

constexpr int64_t kMostFrames = 64;  // rows of STAN_time_embed
constexpr double kLastDropPath = 0.1;

struct StanOptions : ClipOptions {
  int64_t depth = 4;
  void fields(auto& f) {
    ClipOptions::fields(f);
    f("depth", depth, "layers of the branch, beside the last blocks of the image tower",
      config::at_least(1));
  }
  void check(const std::string& path) const {
    ClipOptions::check(path);
    VTR_CHECK(depth <= vision_layers, "{}.depth: {} layers beside {} blocks", path, depth,
              vision_layers);
  }
};

// The branch's tokens: one for the video, and those of the frames.
struct Branch {
  Tensor cls;      // [B, W]
  Tensor patches;  // [B, T, P, W]
};

// Whole rows of the first dimension dropped, the others larger for it (stochastic depth).
Tensor drop_path(const Tensor& x, double rate, bool training) {
  if (!training || rate == 0) return x;
  const Tensor kept = at::empty({x.size(0), 1, 1}, x.options()).bernoulli_(1 - rate);
  return x * kept.div_(1 - rate);
}

std::shared_ptr<torch::nn::LayerNormImpl> norm(int64_t width) {
  return std::make_shared<torch::nn::LayerNormImpl>(torch::nn::LayerNormOptions({width}));
}

void copy_linear(const ClipLinear& from, ClipLinear& to) {
  to.weight.copy_(from.weight);
  to.bias.copy_(from.bias);
}

class StanAttention final : public torch::nn::Module {
 public:
  StanAttention(int64_t width, int64_t heads)
      : q_(register_module("q_proj", std::make_shared<ClipLinear>(width, width))),
        k_(register_module("k_proj", std::make_shared<ClipLinear>(width, width))),
        v_(register_module("v_proj", std::make_shared<ClipLinear>(width, width))),
        out_(register_module("out_proj", std::make_shared<ClipLinear>(width, width))),
        heads_(heads) {}

  void reset() {
    for (const auto& linear : {q_, k_, v_, out_}) linear->reset();
  }
  void start_from(const ClipAttention& clip) {
    const auto weights = clip.in_proj_weight.chunk(3), biases = clip.in_proj_bias.chunk(3);
    size_t i = 0;
    for (const auto& linear : {q_, k_, v_}) {
      linear->weight.copy_(weights[i]);
      linear->bias.copy_(biases[i++]);
    }
    copy_linear(*clip.out_proj, *out_);
  }
  // x [N*L, W] of N sequences of L tokens, keep [N, 1, 1, L] or undefined -> [N*L, W]
  Tensor forward(const Tensor& x, int64_t length, const Tensor& keep) const {
    const auto heads = [&](const Tensor& y) {
      return y.view({-1, length, heads_, x.size(1) / heads_}).transpose(1, 2);  // [N, H, L, d]
    };
    const Tensor y = attend(heads(q_->forward(x)), heads(k_->forward(x)), heads(v_->forward(x)),
                            /*causal=*/false, keep);
    return out_->forward(y.transpose(1, 2).reshape({-1, x.size(1)}));
  }

 private:
  std::shared_ptr<ClipLinear> q_, k_, v_, out_;
  int64_t heads_;
};

// T_i: every patch attends over its frames; the video's token is left alone.
class TemporalLayer final : public torch::nn::Module {
 public:
  TemporalLayer(const ClipTowerOptions& tower, double drop)
      : attention_(register_module("self_attn",
                                   std::make_shared<StanAttention>(tower.width, tower.heads))),
        norm_(register_module("layer_norm1", norm(tower.width))),
        fc_(register_module("temporal_fc", std::make_shared<ClipLinear>(tower.width, tower.width))),
        drop_(drop) {}

  void reset() {
    attention_->reset();
    fc_->weight.zero_();
    fc_->bias.zero_();
  }
  // patches [B, T, P, W], mask [B, T] -> [B, T, P, W]
  Tensor forward(const Tensor& patches, const Tensor& mask) {
    const int64_t frames = patches.size(1), count = patches.size(2), width = patches.size(3);
    const Tensor x = norm_->forward(patches.transpose(1, 2)).reshape({-1, width});  // [B*P*T, W]
    const Tensor keep =
        mask.unsqueeze(1).expand({-1, count, -1}).reshape({-1, 1, 1, frames});  // [B*P, 1, 1, T]
    const Tensor y = drop_path(attention_->forward(x, frames, keep).view({-1, frames, width}),
                               drop_, is_training());
    return patches +
           fc_->forward(y.view({-1, width})).view({-1, count, frames, width}).transpose(1, 2);
  }

 private:
  std::shared_ptr<StanAttention> attention_;
  torch::nn::LayerNorm norm_;
  std::shared_ptr<ClipLinear> fc_;
  double drop_;
};

// S_i: a CLIP block over each frame's patches and a copy of the video's token, whose copies are
// averaged.
class SpatialLayer final : public torch::nn::Module {
 public:
  SpatialLayer(const ClipTowerOptions& tower, double drop)
      : attention_(register_module("self_attn",
                                   std::make_shared<StanAttention>(tower.width, tower.heads))),
        norm1_(register_module("layer_norm1", norm(tower.width))),
        norm2_(register_module("layer_norm2", norm(tower.width))),
        mlp_(register_module("mlp", std::make_shared<ClipMlp>(
                                        ClipMlp::Sizes{tower.width, 4 * tower.width, tower.width},
                                        tower.activation, "fc1", "fc2"))),
        drop_(drop) {}

  void start_from(const ClipBlock& block) {
    attention_->start_from(*block.attn);
    copy_linear(*block.mlp->c_fc, *mlp_->c_fc);
    copy_linear(*block.mlp->c_proj, *mlp_->c_proj);
    norm1_->weight.copy_(block.ln_1->weight);
    norm1_->bias.copy_(block.ln_1->bias);
    norm2_->weight.copy_(block.ln_2->weight);
    norm2_->bias.copy_(block.ln_2->bias);
  }
  Branch forward(const Branch& x, const Tensor& mask) {
    const int64_t batch = mask.size(0), frames = mask.size(1), width = x.cls.size(1);
    const Tensor copies = x.cls.view({batch, 1, 1, width}).expand({-1, frames, -1, -1});
    const Tensor y = at::cat({copies, x.patches}, 2);  // [B, T, 1 + P, W]
    const int64_t length = y.size(2);
    const Tensor r =
        drop_path(
            attention_->forward(norm1_(y).view({-1, width}), length, {}).view({-1, length, width}),
            drop_, is_training())
            .view_as(y);
    const Tensor cls = x.cls + frames_mean(r.select(2, 0), mask);
    const Tensor patches = x.patches + r.narrow(2, 1, length - 1);
    return {cls + mlp_->forward(norm2_(cls)), patches + mlp_->forward(norm2_(patches))};
  }

 private:
  std::shared_ptr<StanAttention> attention_;
  torch::nn::LayerNorm norm1_, norm2_;
  std::shared_ptr<ClipMlp> mlp_;
  double drop_;
};

// CLIP with a branch over all frames beside its last blocks: Liu et al., "Revisiting Temporal
// Modeling for CLIP-based Image-to-Video Knowledge Transferring", CVPR 2023.
class Stan final : public Clip {
 public:
  explicit Stan(const StanOptions& options) : Clip(options) {
    const ClipTowerOptions tower = options.vision_tower();
    const auto spatial = std::make_shared<torch::nn::ModuleListImpl>();
    const auto temporal = std::make_shared<torch::nn::ModuleListImpl>();
    for (int64_t i = 0; i < options.depth; ++i) {
      const double drop =
          i == 0 ? 0
                 : kLastDropPath * static_cast<double>(i) / static_cast<double>(options.depth - 1);
      spatial_.push_back(std::make_shared<SpatialLayer>(tower, drop));
      temporal_.push_back(std::make_shared<TemporalLayer>(tower, drop));
      spatial->push_back(spatial_.back());
      temporal->push_back(temporal_.back());
    }
    register_module("STAN_S_layers", spatial);
    register_module("STAN_T_layers", temporal);
    const auto time = register_module("STAN_time_embed", std::make_shared<torch::nn::Module>());
    time_ = time->register_parameter("weight", at::empty({kMostFrames, tower.width}));
  }

  int64_t frames_given(int64_t frames) const override {
    VTR_CHECK(frames <= kMostFrames, "video.frames: stan has positions for {} frames, not {}",
              kMostFrames, frames);
    return frames;
  }

  // The spatial layers are copies of the blocks that they stand beside.
  void reset_added() override {
    Clip::reset_added();
    const torch::NoGradGuard no_grad;
    const auto& blocks = visual().transformer().blocks();
    for (size_t i = 0; i < spatial_.size(); ++i) {
      spatial_[i]->start_from(*blocks[blocks.size() - spatial_.size() + i]);
      temporal_[i]->reset();
    }
    time_.normal_();
  }

  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                             const Wanted& wanted) override {
    const Tensor shown = seen(mask);
    const int64_t length = visual().length();
    Tensor x = visual().embed(pixels, shown);  // [B*T*L, W]
    const auto tokens = [&] { return x.view({mask.size(0), mask.size(1), length, x.size(1)}); };
    const auto& blocks = visual().transformer().blocks();
    const size_t plain = blocks.size() - spatial_.size();  // blocks before the branch
    Branch branch;
    for (size_t i = 0; i < blocks.size(); ++i) {
      x = blocks[i]->forward(x, length, /*causal=*/false);
      if (i < plain) continue;
      branch = joined(branch, tokens(), shown);
      branch.patches = temporal_[i - plain]->forward(branch.patches, shown);
      branch = spatial_[i - plain]->forward(branch, shown);
    }
    const Tensor cls = tokens().narrow(2, 0, 1) + branch.cls.unsqueeze(1).unsqueeze(1);
    if (!wanted.patches) return features(cls.reshape({-1, x.size(1)}), mask, wanted);
    // The authors use the class tokens only; patches by the same sum are ours.
    const Tensor patches = tokens().narrow(2, 1, length - 1) + branch.patches;
    return features(at::cat({cls, patches}, 2).flatten(0, 2), mask, wanted);
  }

 private:
  // The branch, begun or taken on, with a block's output x [B, T, L, W].
  Branch joined(const Branch& branch, const Tensor& x, const Tensor& mask) {
    const Tensor cls = frames_mean(x.select(2, 0), mask);
    const Tensor patches = x.narrow(2, 1, x.size(2) - 1);
    if (branch.cls.defined()) return {branch.cls + cls, branch.patches + patches};
    const Tensor& places = visual().positional_embedding();  // [L, W]
    const Tensor times = time_.narrow(0, 0, x.size(1)).unsqueeze(1);
    return {(cls + visual().class_embedding() + places[0]) / 2,
            patches + places.narrow(0, 1, x.size(2) - 1) + times};
  }

  std::vector<std::shared_ptr<SpatialLayer>> spatial_;
  std::vector<std::shared_ptr<TemporalLayer>> temporal_;
  Tensor time_;  // [64, W]
};

}  // namespace

EncoderEntry stan_encoder() {
  return clip_entry<Stan, StanOptions>(
      "stan", "CLIP with a spatial-temporal branch beside its last blocks (STAN)");
}

}  // namespace vtr::models
