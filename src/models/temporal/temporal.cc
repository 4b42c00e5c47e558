#include "temporal/temporal.h"

#include <torch/types.h>

#include <cmath>

namespace vtr::models {
namespace {

// Positions start near the scale of the LayerNormed frames they are added to: at 0.02 order is not
// learned in any affordable number of steps.
constexpr double kScale = 0.3;

// Rows of a table [rows, D] at real positions, those between two whole ones interpolated, those
// beyond the ends held: x [...] -> [..., D].
Tensor interpolated(const Tensor& table, const Tensor& x) {
  const int64_t rows = table.size(0);
  const Tensor at = x.clamp(0, static_cast<double>(rows - 1)).unsqueeze(-1);
  const Tensor distance = (at - torch::arange(rows, at.options())).abs();
  return (1 - distance).clamp_min(0).matmul(table);
}

class Learned final : public TemporalEncoding {
 public:
  explicit Learned(const TemporalContext& context)
      : positions_(register_parameter("positions",
                                      kScale * torch::randn({context.frames, context.width}))) {}
  Tensor added(const Tensor& positions) override { return interpolated(positions_, positions - 1); }

 private:
  Tensor positions_;  // [T, D]
};

// Positions times the frequencies 10000^(-2i/n), i < n/2: Vaswani et al., NeurIPS 2017,
// section 3.5.
Tensor angles(const Tensor& positions, int64_t n) {
  const Tensor i = torch::arange(0, n / 2, positions.options());
  const Tensor frequency = torch::exp(i * (-2 * std::log(10000.0) / static_cast<double>(n)));
  return positions.unsqueeze(-1) * frequency;  // [M, T, n / 2]
}

// Sines and cosines under one learned scale; their mean square is 1/2.
class Sinusoidal final : public TemporalEncoding {
 public:
  explicit Sinusoidal(const TemporalContext& context)
      : width_(context.width),
        scale_(register_parameter("scale", torch::full({}, kScale * std::sqrt(2.0)))) {
    VTR_CHECK(width_ % 2 == 0, "sinusoidal positions need an even width, not {}", width_);
  }
  Tensor added(const Tensor& positions) override {
    const Tensor a = angles(positions, width_);
    return scale_ * torch::stack({a.sin(), a.cos()}, -1).flatten(-2);
  }

 private:
  int64_t width_;
  Tensor scale_;
};

// Rotary embedding: Su et al., RoFormer, 2021. Neighbouring pairs of a head's channels are turned
// by the position; the text, at position 0, stays.
class Rotary final : public TemporalEncoding {
 public:
  explicit Rotary(const TemporalContext& context) {
    const int64_t d = context.width / context.heads;
    VTR_CHECK(d % 2 == 0, "rotary positions need an even width per attention head, not {}", d);
  }
  bool rotates() const override { return true; }
  Tensor rotated(const Tensor& x, const Tensor& positions) override {
    const Tensor pairs = x.unflatten(-1, {-1, 2});  // [M, T, H, d/2, 2]
    const Tensor even = pairs.select(-1, 0), odd = pairs.select(-1, 1);
    const Tensor a = angles(positions, x.size(-1)).unsqueeze(2);  // [M, T, 1, d/2]
    const Tensor c = a.cos(), s = a.sin();
    return torch::stack({even * c - odd * s, even * s + odd * c}, -1).flatten(-2);
  }
};

// A learned bias per attention head and signed distance: Shaw et al., NAACL 2018, in the additive
// form of T5. Starts at zero: no order.
class Relative final : public TemporalEncoding {
 public:
  explicit Relative(const TemporalContext& context)
      : frames_(context.frames),
        distances_(register_parameter("distances",
                                      torch::zeros({context.heads, 2 * context.frames + 1}))) {}
  Tensor bias(const Tensor& positions) override {
    const Tensor all = torch::constant_pad_nd(positions, {1, 0});  // [M, T + 1], the text's 0 first
    const Tensor distance = all.unsqueeze(1) - all.unsqueeze(2);   // key - query
    return interpolated(distances_.t(), distance + static_cast<double>(frames_))
        .permute({0, 3, 1, 2});
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

Tensor TemporalEncoding::added(const Tensor&) { return {}; }
Tensor TemporalEncoding::rotated(const Tensor& x, const Tensor&) { return x; }
Tensor TemporalEncoding::bias(const Tensor&) { return {}; }

Tensor frame_positions(const VideoFeatures& features, double time_unit) {
  const Tensor& frames = features.frames;
  if (time_unit == 0) {
    const auto options = frames.options().dtype(torch::kFloat).requires_grad(false);
    return torch::arange(1, frames.size(1) + 1, options).unsqueeze(0);
  }
  VTR_CHECK(
      features.times.defined(),
      "model.head.time_unit: the frames' timestamps are needed, and these features have none");
  return 1 + features.times.to(torch::kFloat) / time_unit;
}

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
