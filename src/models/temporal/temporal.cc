#include "temporal/temporal.h"

#include <torch/torch.h>

#include <cmath>

namespace vtr::models {
namespace {

// Positions start near the scale of the LayerNormed frames they are added to: at 0.02 order is not
// learned in any affordable number of steps.
constexpr double kScale = 0.3;

class Learned final : public TemporalEncoding {
 public:
  explicit Learned(const TemporalContext& context)
      : positions_(register_parameter("positions",
                                      kScale * torch::randn({context.frames, context.width}))) {}
  Tensor added(int64_t frames) override { return positions_.slice(0, 0, frames); }

 private:
  Tensor positions_;  // [T, D]
};

// The frequencies 10000^(-2i/n), i < n/2: Vaswani et al., NeurIPS 2017, section 3.5.
Tensor angles(int64_t positions, int64_t n) {
  const Tensor i = torch::arange(0, n / 2, torch::kFloat);
  const Tensor frequency = torch::exp(i * (-2 * std::log(10000.0) / static_cast<double>(n)));
  return torch::arange(1, positions + 1, torch::kFloat).unsqueeze(1) * frequency;  // [T, n / 2]
}

// Sines and cosines under one learned scale.
class Sinusoidal final : public TemporalEncoding {
 public:
  explicit Sinusoidal(const TemporalContext& context) {
    VTR_CHECK(context.width % 2 == 0, "sinusoidal positions need an even width, not {}",
              context.width);
    const Tensor a = angles(context.frames, context.width);
    waves_ = register_buffer("waves", torch::stack({a.sin(), a.cos()}, -1).flatten(1));
    scale_ = register_parameter("scale", torch::full({}, kScale * std::sqrt(2.0)));
  }
  Tensor added(int64_t frames) override { return scale_ * waves_.slice(0, 0, frames); }

 private:
  Tensor waves_;  // [T, D], of mean square 1/2
  Tensor scale_;
};

// Rotary embedding: Su et al., RoFormer, 2021. Neighbouring pairs of a head's channels are turned
// by the position; the text, at position 0, stays.
class Rotary final : public TemporalEncoding {
 public:
  explicit Rotary(const TemporalContext& context) {
    const int64_t d = context.width / context.heads;
    VTR_CHECK(d % 2 == 0, "rotary positions need an even width per attention head, not {}", d);
    const Tensor a = angles(context.frames, d);
    cos_ = register_buffer("cos", a.cos());
    sin_ = register_buffer("sin", a.sin());
  }
  Tensor rotated(const Tensor& x) override {
    const Tensor pairs = x.unflatten(-1, {-1, 2});  // [M, T, H, d/2, 2]
    const Tensor even = pairs.select(-1, 0), odd = pairs.select(-1, 1);
    const Tensor c = cos_.slice(0, 0, x.size(1)).unsqueeze(1);  // [T, 1, d/2]
    const Tensor s = sin_.slice(0, 0, x.size(1)).unsqueeze(1);
    return torch::stack({even * c - odd * s, even * s + odd * c}, -1).flatten(-2);
  }

 private:
  Tensor cos_, sin_;  // [T, d / 2]
};

// A learned bias per attention head and signed distance: Shaw et al., NAACL 2018, in the additive
// form of T5. Starts at zero: no order.
class Relative final : public TemporalEncoding {
 public:
  explicit Relative(const TemporalContext& context)
      : frames_(context.frames),
        distances_(register_parameter("distances",
                                      torch::zeros({context.heads, 2 * context.frames + 1}))) {}
  Tensor bias(int64_t frames) override {
    const Tensor position = torch::arange(frames + 1, distances_.options().dtype(torch::kLong));
    const Tensor index = position.unsqueeze(0) - position.unsqueeze(1) + frames_;  // key - query
    return distances_.index_select(1, index.flatten()).view({-1, frames + 1, frames + 1});
  }

 private:
  int64_t frames_;
  Tensor distances_;  // [H, 2T + 1]
};

template <class T>
TemporalEntry entry(std::string name, std::string summary) {
  return {std::move(name), std::move(summary),
          [](const TemporalContext& context) -> std::shared_ptr<TemporalEncoding> {
            if constexpr (std::is_same_v<T, TemporalEncoding>) {
              return std::make_shared<T>();
            } else {
              return std::make_shared<T>(context);
            }
          }};
}

}  // namespace

Tensor TemporalEncoding::added(int64_t) { return {}; }
Tensor TemporalEncoding::rotated(const Tensor& x) { return x; }
Tensor TemporalEncoding::bias(int64_t) { return {}; }

const Table<TemporalEntry>& temporal_encodings() {
  static const Table<TemporalEntry> table(
      "temporal encoding",
      {entry<TemporalEncoding>("none", "frames are a set"),
       entry<Learned>("learned", "a learned vector per position, added to the frames"),
       entry<Sinusoidal>("sinusoidal", "sines and cosines, added to the frames"),
       entry<Rotary>("rotary", "queries and keys turned by their position"),
       entry<Relative>("relative", "a learned bias per distance on the attention's logits")});
  return table;
}

}  // namespace vtr::models
