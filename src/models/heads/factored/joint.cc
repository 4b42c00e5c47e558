#include "heads/factored/factored.h"
#include "heads/factored/parallel.h"
#include "heads/factored/tail.h"

#include <torch/types.h>

#include <algorithm>

namespace vtr::models {
namespace {

using factored::kLanes;
using factored::Rows;

// Images [..., k, 2 D + kLines] chunk by chunk (kernels.h): [..., chunks, k, kChunk].
Tensor chunked(const Tensor& image) {
  const int64_t width = (image.size(-1) - FactoredTail::kLines) / 2,
                rest = factored::padded(width) - width;
  const auto zone = [&](int64_t begin, int64_t size, int64_t pad) {
    return torch::constant_pad_nd(image.narrow(-1, begin, size), {0, pad});
  };
  return torch::cat(
             {zone(0, width, rest), zone(width, width, rest),
              zone(2 * width, FactoredTail::kLines, factored::kChunk - FactoredTail::kLines)},
             -1)
      .unflatten(-1, {-1, factored::kChunk})
      .transpose(-2, -3)
      .contiguous();
}

// The same tensor [N, chunks, ...] with a chunk of all items together in memory.
Tensor by_chunk(const Tensor& x) { return x.transpose(0, 1).contiguous().transpose(0, 1); }

Tensor padded(const Tensor& x) {  // [..., D] -> [..., D rounded up]
  return torch::constant_pad_nd(x, {0, factored::padded(x.size(-1)) - x.size(-1)}).contiguous();
}

// `joint`: with alpha_ih = sigmoid(q_ih . k_sh / sqrt(d) - l_ih) the pooled vector is
//   sum_i w_i (f_i + b_o) + sum_ih w_i (1 - alpha_ih) W_o^h O_ih + sum_h (sum_i w_i alpha_ih)
//   W_o^h v_sh,
// a sum over T (1 + H) vectors of the video and H of the text. Its image (tail.h) is formed for
// every pair and summed up as it appears: half of what inner products between the text's and the
// video's vectors would take, and no difference of large numbers anywhere.
class FactoredJoint final : public Factored {
 public:
  explicit FactoredJoint(const AttentionParts& parts)
      : options_(parts.options), tail_(parts), frames_(parts.frames) {
    gain_ = padded(tail_.gain());
    by_head_ = tail_.head_images(options_.heads);
    bias_image_ = tail_.bias_image();
    scale_ = 1 / std::sqrt(static_cast<float>(tail_.gain().size(0) / options_.heads));
  }

  TextState text(const TextState& state) const override {
    State::Items items = tail_.text(state["text"]);
    const Tensor v = state["v"].transpose(0, 1);  // [H, N, d]
    items.emplace_back("images", by_chunk(chunked(torch::bmm(v, by_head_).transpose(0, 1))));
    items.emplace_back(
        "gained",
        by_chunk(
            padded(items.front().second * tail_.gain()).unflatten(-1, {-1, factored::kChunk})));
    items.emplace_back("q", state["q"]);
    items.emplace_back("k", state["k"]);  // [N, H, d]
    return items;
  }

  VideoState video(const VideoState& state) const override {
    const int64_t m = state.size(), t = state["f"].size(1), h = options_.heads;
    const Tensor o = state["o"].permute({1, 0, 2, 3}).flatten(1, 2);  // [H, M T, d]
    const Tensor own = tail_.images(state["f"]) + bias_image_;        // [M, T, 2 D + kLines]
    const Tensor attended = torch::bmm(o, by_head_).view({h, m, t, -1}).transpose(0, 1);
    State::Items items{{"images", chunked(torch::cat({own, attended.flatten(1, 2)}, 1))},
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
    const Call call{text, video, relevance, logits};
    factored::in_parallel(m, [&](int64_t begin, int64_t end) {
      Workspace workspace(frames_, options_.heads);
      // A tile's own vectors stay in the second cache while all videos pass.
      for (int64_t first = 0; first < n; first += kLanes) {
        for (int64_t v = begin; v < end; ++v) {
          score_tile(call, v, first, std::min(kLanes, n - first), workspace,
                     sim.data_ptr<float>() + v * n + first);
        }
      }
    });
    return sim.t();
  }

  Bytes bytes() const override {
    const int64_t size = sizeof(float), width = tail_.gain().size(0), h = options_.heads;
    const int64_t basis = frames_ * (1 + h);
    return {.text = size * (4 * h * tail_.image_width() + 5 * width),
            .video = size * (5 * basis * tail_.image_width() + 2 * frames_ * width),
            .pair = size * (frames_ * (1 + h) + 2)};
  }

 private:
  struct Call {
    const TextState& text;
    const VideoState& video;
    const Tensor &relevance, &logits;
  };

  struct Workspace {
    Workspace(int64_t frames, int64_t heads)
        : weights(static_cast<size_t>(2 * frames * kLanes)),
          coefficients(static_cast<size_t>(frames * (1 + heads) * kLanes)),
          taken(static_cast<size_t>(heads * kLanes)) {}
    std::vector<float> weights, coefficients, taken;
  };

  // `count` texts from `first` on with video v.
  void score_tile(const Call& call, int64_t v, int64_t first, int64_t count, Workspace& workspace,
                  float* sim) const {
    const auto& [text, video, relevance, logits] = call;
    join(call, v, first, count, workspace);
    const Tensor &basis = video["images"], &own = text["images"], &gained = text["gained"];
    factored::TailSums sums[kLanes];
    factored::reduce({.basis = basis.const_data_ptr<float>() + v * basis.stride(0),
                      .coefficients = workspace.coefficients.data(),
                      .own = own.const_data_ptr<float>() + first * own.stride(0),
                      .taken = workspace.taken.data(),
                      .gain = gain_.const_data_ptr<float>(),
                      .text = gained.const_data_ptr<float>() + first * gained.stride(0),
                      .own_stride = own.stride(1),
                      .text_stride = gained.stride(1),
                      .m = basis.size(2),
                      .heads = options_.heads,
                      .width = tail_.gain().size(0),
                      .n = count},
                     sums);
    const float* unit_w0 = text["unit_w0"].const_data_ptr<float>() + first;
    const float* unit_b3 = text["unit_b3"].const_data_ptr<float>() + first;
    for (int64_t x = 0; x < count; ++x) {
      sim[x] = factored::cosine(sums[x], tail_.constants(), unit_w0[x], unit_b3[x]);
    }
  }

  // Their coefficients, into the workspace.
  void join(const Call& call, int64_t v, int64_t first, int64_t count, Workspace& workspace) const {
    const auto& [text, video, relevance, logits] = call;
    const int64_t h = options_.heads, t = video["mask"].size(1), n = text.size();
    const auto part = [&](const char* name, int64_t size) -> const float* {
      return video.has(name) ? video[name].const_data_ptr<float>() + v * size : nullptr;
    };
    factored::frame_weights({relevance.const_data_ptr<float>() + v * t * n + first, n},
                            part("from_text", t), video["mask"].const_data_ptr<bool>() + v * t, t,
                            options_.topk, count, scale_ / static_cast<float>(h),
                            workspace.weights.data());
    factored::join({.logits = {logits.const_data_ptr<float>() + v * t * n + first, n},
                    .head_stride = logits.stride(0),
                    .bias = part("to_text", h * t),
                    .lse = part("lse", h * t),
                    .heads = h,
                    .frames = t,
                    .scale = scale_},
                   workspace.weights.data(), count, workspace.coefficients.data(),
                   workspace.taken.data());
  }

  AttentionOptions options_;
  FactoredTail tail_;
  Tensor gain_;                  // [D rounded up]
  Tensor by_head_, bias_image_;  // the tail's
  int64_t frames_ = 0;
  float scale_ = 0;
};

}  // namespace

std::unique_ptr<Factored> factor_joint(const AttentionParts& parts) {
  return std::make_unique<FactoredJoint>(parts);
}

}  // namespace vtr::models
