#include "heads/factored/factored.h"
#include "heads/factored/parallel.h"
#include "heads/factored/tail.h"

#include <torch/types.h>

#include <algorithm>
#include <optional>

namespace vtr::models {
namespace {

using factored::kLanes;
using factored::Rows;

// `cross`: the pooled vector is sum_ih a_ih e_ih with e_ih = W_o^h v_ih + b_o / H, whose weights
// a_ih alone depend on the text. So every square in the tail is a quadratic form of a in a Gram
// matrix of the video's own: 3 (H T)^2 / 2 products a pair, and one matrix product for n(t) . e.
class FactoredCross final : public Factored {
 public:
  explicit FactoredCross(const AttentionParts& parts)
      : options_(parts.options), tail_(parts), attention_(parts.attention) {
    const int64_t width = tail_.gain().size(0);
    basis_ = options_.heads * parts.frames;
    frames_ = parts.frames;
    if (options_.heads == 1 && !parts.rotates) {
      fold();
    } else {
      by_head_ = tail_.head_images(options_.heads);
      bias_share_ = tail_.bias_image() / static_cast<double>(options_.heads);
    }
    scale_ = 1 / std::sqrt(static_cast<float>(width / options_.heads));
  }

  TextState text(const TextState& state) const override {
    State::Items items = tail_.text(state["text"]);
    const Tensor unit = items.front().second;
    items.emplace_back("q", folded_ ? state["q"].matmul(folded_->key) : state["q"]);
    items.emplace_back("dot", folded_ ? unit.matmul(folded_->dot) : unit);
    items.emplace_back("dot0", folded_ ? unit.matmul(folded_->dot0) : torch::zeros(unit.size(0)));
    return items;
  }

  VideoState video(const VideoState& state) const override {
    const int64_t m = state.size(), t = state["f"].size(1), h = options_.heads;
    const int64_t width = tail_.gain().size(0);
    Tensor image = images(state["f"].flatten(0, 1));                  // [H, M T, 2 D + kLines]
    image = image.view({h, m, t, -1}).transpose(0, 1).flatten(1, 2);  // [M, H T, 2 D + kLines]
    const Tensor centred = image.slice(2, 0, width), mixed = image.slice(2, width, 2 * width);
    const Tensor gained = mixed * tail_.gain();
    const auto gram = [](const Tensor& x) { return x.matmul(x.transpose(1, 2)); };
    const Tensor k = state.has("k") ? state["k"] : folded_ ? state["f"] : attention_->k(state["f"]);
    State::Items items{{"k", k},  // [M, T, D]
                       {"mask", state["mask"].contiguous()},
                       {"gram", torch::stack({gram(centred), gram(mixed), gram(gained)}, 1)},
                       {"lines", image.narrow(2, 2 * width, 3).transpose(1, 2).contiguous()}};
    // [M, 3, H T, H T], [M, 3, H T]
    if (!folded_) items.emplace_back("u", gained);  // [M, H T, D]
    if (state.has("from_text")) {
      items.emplace_back("from_text", state["from_text"].contiguous());               // [M, H, T]
      items.emplace_back("mean_from_text", state["from_text"].mean(1).contiguous());  // [M, T]
    }
    return items;
  }

  Tensor score(const TextState& text, const VideoState& video) const override {
    const int64_t n = text.size(), m = video.size(), h = options_.heads;
    const Tensor keys = video["k"].flatten(0, 1);  // [M T, D]
    Tensor logits, relevance, dots;                // [H, M T, N], [M T, N], [M H T, N]
    if (folded_) {
      const auto parts = keys.matmul(torch::cat({text["q"], text["dot"]}).t()).chunk(2, 1);
      relevance = parts[0];
      dots = parts[1];
    } else {
      logits = torch::bmm(keys.unflatten(1, {h, -1}).transpose(0, 1),
                          text["q"].unflatten(1, {h, -1}).permute({1, 2, 0}));
      relevance = h > 1 ? keys.matmul(text["q"].t()) : logits[0];
      dots = video["u"].flatten(0, 1).matmul(text["dot"].t());
    }
    Tensor sim = torch::empty({m, n});
    const Call call{text, video, logits, relevance, dots};
    factored::in_parallel(m, [&](int64_t begin, int64_t end) {
      for (int64_t v = begin; v < end; ++v) score_video(call, v, sim.data_ptr<float>() + v * n);
    });
    return sim.t();
  }

  Bytes bytes() const override {
    const int64_t width = tail_.gain().size(0), size = sizeof(float);
    return {.text = 5 * width * size,
            .video = size * (basis_ * (3 * tail_.image_width() + 3 * basis_) + 2 * frames_ * width),
            .pair = size * (2 * basis_ + frames_ + 2)};
  }

 private:
  // With one attention head that does not rotate, everything is linear in the frame f: its image
  // f image + image0, its logit f . (q key) but for a constant of the text, which the softmax does
  // not see, and its share of the dot product, f . (n dot) + n . dot0. So a frame meets a text with
  // no product of its own.
  struct Folded {
    Tensor image, image0;  // [D, 2 D + kLines], [2 D + kLines]
    Tensor key;            // [D, D]
    Tensor dot, dot0;      // [D, D], [D]
  };

  void fold() {
    const torch::NoGradGuard no_grad;
    const int64_t width = tail_.gain().size(0);
    const auto wide = [](const Tensor& x) { return x.detach().to(torch::kDouble); };
    const auto single = [](const Tensor& x) { return x.to(torch::kFloat).contiguous(); };
    const Tensor image = tail_.images(wide(attention_->v->weight).t().matmul(tail_.out()));
    const Tensor image0 =
        tail_.images(wide(attention_->v->bias).matmul(tail_.out()) + tail_.out_bias());
    const auto gained = [&](const Tensor& x) {
      return x.slice(-1, width, 2 * width) * tail_.gain();
    };
    folded_ = {.image = single(image),
               .image0 = single(image0),
               .key = attention_->k->weight.detach(),
               .dot = single(gained(image).t()),
               .dot0 = single(gained(image0))};
  }

  // Of every e_ih, from the frames f [M T, D].
  Tensor images(const Tensor& f) const {
    if (folded_) return torch::addmm(folded_->image0, f, folded_->image).unsqueeze(0);
    const int64_t h = options_.heads;
    const Tensor v = attention_->v(f).unflatten(1, {h, -1});
    return torch::bmm(v.transpose(0, 1), by_head_).add_(bias_share_);
  }

  struct Call {
    const TextState& text;
    const VideoState& video;
    const Tensor &logits, &relevance, &dots;
  };

  // Video v with every text: sim [N].
  void score_video(const Call& call, int64_t v, float* sim) const {
    const int64_t n = call.text.size(), t = call.video["mask"].size(1), basis = options_.heads * t;
    const float* gram = call.video["gram"].const_data_ptr<float>() + v * 3 * basis * basis;
    const float* const squares[3] = {gram, gram + basis * basis, gram + 2 * basis * basis};
    const float* lines = call.video["lines"].const_data_ptr<float>() + v * 3 * basis;
    const float* unit_w0 = call.text["unit_w0"].const_data_ptr<float>();
    const float* unit_b3 = call.text["unit_b3"].const_data_ptr<float>();
    const float* dot0 = call.text["dot0"].const_data_ptr<float>();
    std::vector<float> kept(static_cast<size_t>(2 * t * kLanes)),
        weights(static_cast<size_t>((basis + t) * kLanes));
    for (int64_t first = 0; first < n; first += kLanes) {
      const int64_t count = std::min(kLanes, n - first);
      attend(call, v, first, count, kept.data(), weights.data());
      float forms[3 * kLanes], line[3][kLanes], dot[kLanes];
      factored::quadratic_forms(squares, weights.data(), basis, count, forms);
      for (int64_t k = 0; k < 3; ++k) {
        factored::weighted_sum(lines + k * basis, weights.data(), basis, count, line[k]);
      }
      factored::weighted_sum(rows(call.dots, v * basis, first), weights.data(), basis, count, dot);
      for (int64_t x = 0; x < count; ++x) {
        sim[first + x] =
            factored::cosine({forms[x], forms[kLanes + x], forms[2 * kLanes + x],
                              dot[x] + dot0[first + x], line[0][x], line[1][x], line[2][x]},
                             tail_.constants(), unit_w0[first + x], unit_b3[first + x]);
      }
    }
  }

  // Of x [..., N], from that row and that text on.
  static Rows rows(const Tensor& x, int64_t row, int64_t text) {
    return {x.const_data_ptr<float>() + row * x.stride(-2) + text, x.stride(-2)};
  }

  // The attention weights [H T, kLanes] of `count` texts over video v's frames.
  void attend(const Call& call, int64_t v, int64_t first, int64_t count, float* kept,
              float* weights) const {
    const int64_t t = call.video["mask"].size(1), h = options_.heads;
    const auto bias = [&](const char* name, int64_t size) -> const float* {
      return call.video.has(name) ? call.video[name].const_data_ptr<float>() + v * size : nullptr;
    };
    float* relevant = h == 1 ? weights : kept;  // one head: the relevance is the attention
    factored::frame_weights(rows(call.relevance, v * t, first), bias("mean_from_text", t),
                            call.video["mask"].const_data_ptr<bool>() + v * t, t, options_.topk,
                            count, scale_ / static_cast<float>(h), relevant);
    for (int64_t a = 0; h > 1 && a < h; ++a) {
      const float* own = bias("from_text", h * t);
      factored::kept_softmax(rows(call.logits, a * call.logits.size(1) + v * t, first),
                             own ? own + a * t : nullptr, kept, t, count, scale_,
                             weights + a * t * kLanes);
    }
  }

  AttentionOptions options_;
  FactoredTail tail_;
  mutable Projections attention_;
  std::optional<Folded> folded_;
  Tensor by_head_, bias_share_;  // where nothing is folded: the tail's
  int64_t basis_ = 0, frames_ = 0;
  float scale_ = 0;
};

}  // namespace

std::unique_ptr<Factored> factor_cross(const AttentionParts& parts) {
  return std::make_unique<FactoredCross>(parts);
}

}  // namespace vtr::models
