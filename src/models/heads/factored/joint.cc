#include "heads/factored/factored.h"
#include "heads/factored/tail.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>

namespace vtr::models {
namespace {

using factored::kLanes;
using factored::Rows;

constexpr int64_t kTile = 4 * kLanes;  // texts of one matrix product; its result stays in cache

// `joint`: with alpha_ih = sigmoid(q_ih . k_sh / sqrt(d) - l_ih) the pooled vector is
//   sum_i w_i (f_i + b_o) + sum_ih w_i (1 - alpha_ih) W_o^h O_ih + sum_h (sum_i w_i alpha_ih)
//   W_o^h v_sh,
// a sum over T (1 + H) vectors of the video and H of the text. Its image (tail.h) is formed for
// every pair, by one product of coefficients [texts, T (1 + H)] and images [T (1 + H), 2 D + 3] a
// video, and summed up while it is in the cache: two thirds of what inner products between the
// text's and the video's vectors would take, and no difference of large numbers anywhere.
class FactoredJoint final : public Factored {
 public:
  explicit FactoredJoint(const AttentionParts& parts)
      : options_(parts.options), tail_(parts), frames_(parts.frames) {
    scale_ = 1 / std::sqrt(static_cast<float>(tail_.gain().size(0) / options_.heads));
  }

  TextState text(const TextState& state) const override {
    State::Items items = tail_.text(state["text"]);
    const Tensor v = state["v"].transpose(0, 1);  // [H, N, d]
    items.emplace_back("images", torch::bmm(v, tail_.head_images()).transpose(0, 1).contiguous());
    items.emplace_back("gained", items.front().second * tail_.gain());  // n(t) g3
    items.emplace_back("q", state["q"]);
    items.emplace_back("k", state["k"]);  // [N, H, d]
    return items;
  }

  VideoState video(const VideoState& state) const override {
    const int64_t m = state.size(), t = state["f"].size(1), h = options_.heads;
    const Tensor o = state["o"].permute({1, 0, 2, 3}).flatten(1, 2);           // [H, M T, d]
    const Tensor own = state["f"].matmul(tail_.image()) + tail_.bias_image();  // [M, T, 2 D + 3]
    const Tensor attended = torch::bmm(o, tail_.head_images()).view({h, m, t, -1}).transpose(0, 1);
    State::Items items{{"images", torch::cat({own, attended.flatten(1, 2)}, 1)},
                       {"q", state["q"]},
                       {"k", state["k"]},
                       {"lse", state["lse"].contiguous()},
                       {"mask", state["mask"].contiguous()}};
    if (state.has("from_text")) {
      items.emplace_back("from_text", state["from_text"].mean(1).contiguous());  // [M, T]
      items.emplace_back("to_text", state["bias"].select(3, 0).contiguous());    // [M, H, T]
    }
    return items;
  }

  Tensor score(const TextState& text, const VideoState& video) const override {
    const int64_t n = text.size(), m = video.size();
    const Tensor relevance = video["k"].flatten(0, 1).matmul(text["q"].t());    // [M T, N]
    const Tensor logits = torch::bmm(video["q"].flatten(0, 1).transpose(0, 1),  // [H, M T, d]
                                     text["k"].permute({1, 2, 0}));             // [H, d, N]
    Tensor sim = torch::empty({m, n});
    at::parallel_for(0, m, 1, [&](int64_t begin, int64_t end) {
      const at::AutoDispatchBelowAutograd below;
      Workspace workspace(*this);
      for (int64_t v = begin; v < end; ++v) {
        for (int64_t first = 0; first < n; first += kTile) {
          score_tile({text, video, relevance, logits}, v, first, std::min(kTile, n - first),
                     workspace, sim.data_ptr<float>() + v * n + first);
        }
      }
    });
    return sim.t();
  }

  Bytes bytes() const override {
    const int64_t size = sizeof(float), width = tail_.gain().size(0), h = options_.heads;
    const int64_t basis = frames_ * (1 + h);
    return {.text = size * (h * tail_.image_width() + 4 * width),
            .video = size * (2 * basis * tail_.image_width() + 2 * frames_ * width),
            .pair = size * (frames_ * (1 + h) + 2)};
  }

 private:
  struct Call {
    const TextState& text;
    const VideoState& video;
    const Tensor &relevance, &logits;
  };

  struct Workspace {
    explicit Workspace(const FactoredJoint& owner)
        : coefficients(torch::empty({owner.frames_ * (1 + owner.options_.heads), kTile})),
          images(torch::empty({kTile, owner.tail_.image_width()})),
          weights(static_cast<size_t>(2 * owner.frames_ * kLanes)),
          taken(static_cast<size_t>(owner.options_.heads * kTile)) {}
    Tensor coefficients, images;  // [T (1 + H), kTile], [kTile, 2 D + 3]
    std::vector<float> weights, taken;
  };

  // `count` texts from `first` on with video v.
  void score_tile(const Call& call, int64_t v, int64_t first, int64_t count, Workspace& workspace,
                  float* sim) const {
    const auto& [text, video, relevance, logits] = call;
    for (int64_t at = 0; at < count; at += kLanes) {
      coefficients(call, v, first + at, std::min(kLanes, count - at), workspace, at);
    }
    const Tensor basis = video["images"].select(0, v);  // [T (1 + H), 2 D + 3]
    Tensor images = workspace.images.narrow(0, 0, count);
    torch::mm_out(
        images, workspace.coefficients.narrow(0, 0, basis.size(0)).narrow(1, 0, count).t(), basis);
    const int64_t h = options_.heads, width = tail_.gain().size(0), row = tail_.image_width();
    const float* own = text["images"].const_data_ptr<float>();
    const float* gained = text["gained"].const_data_ptr<float>();
    const float* unit_w0 = text["unit_w0"].const_data_ptr<float>();
    const float* unit_b3 = text["unit_b3"].const_data_ptr<float>();
    for (int64_t x = 0; x < count; ++x) {
      const int64_t n = first + x;
      const float* taken = workspace.taken.data() + x / kLanes * h * kLanes + x % kLanes;
      const auto sums = factored::reduce(
          images.const_data_ptr<float>() + x * row, own + n * h * row, taken, kLanes, h,
          tail_.gain().const_data_ptr<float>(), gained + n * width, width);
      sim[x] = factored::cosine(sums, tail_.constants(), unit_w0[n], unit_b3[n]);
    }
  }

  void coefficients(const Call& call, int64_t v, int64_t first, int64_t count, Workspace& workspace,
                    int64_t at) const {
    const auto& [text, video, relevance, logits] = call;
    const int64_t h = options_.heads, t = video["mask"].size(1), n = text.size();
    const auto part = [&](const char* name, int64_t size) -> const float* {
      return video.has(name) ? video[name].const_data_ptr<float>() + v * size : nullptr;
    };
    float* weights = workspace.weights.data();
    factored::frame_weights({relevance.const_data_ptr<float>() + v * t * n + first, n},
                            part("from_text", t), video["mask"].const_data_ptr<bool>() + v * t, t,
                            options_.topk, count, scale_ / static_cast<float>(h), weights);
    factored::join({.logits = {logits.const_data_ptr<float>() + v * t * n + first, n},
                    .head_stride = logits.stride(0),
                    .bias = part("to_text", h * t),
                    .lse = part("lse", h * t),
                    .heads = h,
                    .frames = t,
                    .scale = scale_},
                   weights, count, kTile, workspace.coefficients.data_ptr<float>() + at,
                   workspace.taken.data() + at * h);
  }

  AttentionOptions options_;
  FactoredTail tail_;
  int64_t frames_ = 0;
  float scale_ = 0;
};

}  // namespace

std::unique_ptr<Factored> factor_joint(const AttentionParts& parts) {
  return std::make_unique<FactoredJoint>(parts);
}

}  // namespace vtr::models
