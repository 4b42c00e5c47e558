#include "vtr/video/resize.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// The inner loops are all of the cost: vectorised in every build, and for AVX2 where the machine
// has it. (Not under a sanitizer, which is not up yet when the loader chooses between the two.)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VTR_FAST __attribute__((optimize("O3"), target_clones("avx2", "default")))
#else
#define VTR_FAST
#endif

namespace vtr::video {
namespace {

constexpr int kBits = 32 - 8 - 2;  // fraction of a weight: a byte times it, and overshoot, fit 32
constexpr int64_t kLanes = 16;     // lines resampled together

// Keys' cubic with a = -0.5, as in Pillow's Resample.c; the forms keep its rounding.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

int32_t to_fixed(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kBits));
}

// The bytes [from, to) of `lines` <= kLanes lines, transposed to strip[byte][line].
VTR_FAST void transpose(const uint8_t* in, size_t stride, int64_t lines, int64_t from, int64_t to,
                        uint8_t* strip) {
  const uint8_t* rows[kLanes];
  for (int64_t r = 0; r < kLanes; ++r) {
    rows[r] = in + static_cast<size_t>(std::min(r, lines - 1)) * stride;
  }
  for (int64_t x = from; x < to; ++x) {
    uint8_t* column = strip + (x - from) * kLanes;
    for (int64_t r = 0; r < kLanes; ++r) column[r] = rows[r][x];
  }
}

// One output of kLanes lines: out[r] = clip(sum over t of weights[t] * in[t * step + r]).
VTR_FAST void weigh(const uint8_t* __restrict in, int64_t step, const int32_t* __restrict weights,
                    int32_t count, uint8_t* __restrict out) {
  int32_t sums[kLanes];
  for (int64_t r = 0; r < kLanes; ++r) sums[r] = 1 << (kBits - 1);
  for (int32_t t = 0; t < count; ++t) {
    const int32_t weight = weights[t];
    for (int64_t r = 0; r < kLanes; ++r) sums[r] += weight * in[t * step + r];
  }
  for (int64_t r = 0; r < kLanes; ++r) {
    out[r] = static_cast<uint8_t>(std::clamp(sums[r] >> kBits, 0, 255));
  }
}

// Lines of interleaved pixels, `stride` bytes apart.
struct Lines {
  const uint8_t* data;
  size_t stride;
  int64_t count, channels;
};

// Resamples every line and transposes: out[c][i][line] is output i of channel c of that line. Two
// such passes, over the rows and then over the columns, give the image back upright.
void resample(const Lines& in, const Taps& taps, std::vector<uint8_t>& strip, uint8_t* out) {
  const auto outputs = static_cast<int64_t>(taps.first.size());
  strip.resize(static_cast<size_t>((taps.end - taps.begin) * in.channels * kLanes));
  uint8_t sums[kLanes];
  for (int64_t line = 0; line < in.count; line += kLanes) {
    const int64_t lines = std::min(kLanes, in.count - line);
    transpose(in.data + static_cast<size_t>(line) * in.stride, in.stride, lines,
              taps.begin * in.channels, taps.end * in.channels, strip.data());
    for (int64_t i = 0; i < outputs; ++i) {
      const int32_t* weights = taps.weights.data() + i * taps.width;
      const uint8_t* first =
          strip.data() + (taps.first[static_cast<size_t>(i)] - taps.begin) * in.channels * kLanes;
      for (int64_t c = 0; c < in.channels; ++c) {
        weigh(first + c * kLanes, in.channels * kLanes, weights, taps.count[static_cast<size_t>(i)],
              sums);
        std::memcpy(out + (c * outputs + i) * in.count + line, sums, static_cast<size_t>(lines));
      }
    }
  }
}

void mirror(uint8_t* image, int64_t rows, int64_t width) {
  for (int64_t y = 0; y < rows; ++y) std::reverse(image + y * width, image + (y + 1) * width);
}

}  // namespace

Taps::Taps(int64_t in, int64_t out, int64_t first_out, int64_t outputs) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);  // shrinking averages over as many more inputs
  const double support = 2.0 * stretch;
  width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  weights.assign(static_cast<size_t>(outputs * width), 0);
  begin = in;
  std::vector<double> exact(static_cast<size_t>(width));
  for (int64_t i = 0; i < outputs; ++i) {
    const double center = (static_cast<double>(first_out + i) + 0.5) * scale;
    const auto low = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const auto high = std::min<int64_t>(in, static_cast<int64_t>(center + support + 0.5));
    double total = 0;
    for (int64_t x = low; x < high; ++x) {
      const double w = bicubic((static_cast<double>(x) - center + 0.5) * (1.0 / stretch));
      exact[static_cast<size_t>(x - low)] = w;
      total += w;
    }
    for (int64_t x = 0; x < high - low; ++x) {
      const auto t = static_cast<size_t>(x);
      weights[static_cast<size_t>(i * width) + t] =
          to_fixed(total != 0 ? exact[t] / total : exact[t]);
    }
    first.push_back(static_cast<int32_t>(low));
    count.push_back(static_cast<int32_t>(high - low));
    begin = std::min(begin, low);
    end = std::max(end, high);
  }
}

Geometry whole_geometry(int64_t height, int64_t width, int64_t side) {
  const auto longer = [&](int64_t length, int64_t shorter) {
    return static_cast<int64_t>(static_cast<double>(side * length) / static_cast<double>(shorter));
  };
  Geometry g{.height = height, .width = width, .box_height = height, .box_width = width};
  g.out_height = g.kept_height = height <= width ? side : longer(height, width);
  g.out_width = g.kept_width = height <= width ? longer(width, height) : side;
  return g;
}

Geometry center_geometry(int64_t height, int64_t width, int64_t resolution) {
  Geometry g = whole_geometry(height, width, resolution);
  g.kept_height = g.kept_width = resolution;
  // Python's round: halves go to the even neighbour, as nearbyint does in the default mode.
  g.out_top =
      static_cast<int64_t>(std::nearbyint(static_cast<double>(g.out_height - resolution) / 2));
  g.out_left =
      static_cast<int64_t>(std::nearbyint(static_cast<double>(g.out_width - resolution) / 2));
  return g;
}

Geometry random_geometry(int64_t height, int64_t width, int64_t resolution, Rng& rng) {
  Geometry g{.height = height, .width = width, .out_height = resolution, .out_width = resolution};
  g.kept_height = g.kept_width = resolution;
  const auto area = static_cast<double>(height * width);
  for (int attempt = 0; attempt < 10 && g.box_height == 0; ++attempt) {
    const double target = area * rng.uniform(0.5, 1.0);
    const double ratio = std::exp(rng.uniform(std::log(3.0 / 4.0), std::log(4.0 / 3.0)));
    const auto w = static_cast<int64_t>(std::nearbyint(std::sqrt(target * ratio)));
    const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(target / ratio)));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    g.box_height = h;
    g.box_width = w;
    g.top = static_cast<int64_t>(rng.below(static_cast<uint64_t>(height - h + 1)));
    g.left = static_cast<int64_t>(rng.below(static_cast<uint64_t>(width - w + 1)));
  }
  if (g.box_height == 0) {  // no box fitted: the middle, at the nearest allowed ratio
    g.box_width = std::min(width, std::max<int64_t>(1, height * 4 / 3));
    g.box_height = std::min(height, std::max<int64_t>(1, width * 4 / 3));
    g.top = (height - g.box_height) / 2;
    g.left = (width - g.box_width) / 2;
  }
  return g;
}

Geometry geometry_of(int64_t height, int64_t width, const Request& request) {
  VTR_CHECK(request.crop != "whole" || std::max(height, width) <= 16 * std::min(height, width),
            "a picture of {} x {} is too long to be kept whole", width, height);
  Rng crop(derive(request.seed, "crop"));
  Geometry geometry = request.crop == "whole" ? whole_geometry(height, width, request.resolution)
                      : request.crop == "center"
                          ? center_geometry(height, width, request.resolution)
                          : random_geometry(height, width, request.resolution, crop);
  geometry.flip = Rng(derive(request.seed, "flip")).uniform() < request.flip;
  return geometry;
}

Resizer::Resizer(const Geometry& geometry)
    : geometry_(geometry),
      horizontal_(geometry.box_width, geometry.out_width, geometry.out_left, geometry.kept_width),
      vertical_(geometry.box_height, geometry.out_height, geometry.out_top, geometry.kept_height) {
  const int64_t rows = vertical_.end - vertical_.begin;
  between_.resize(static_cast<size_t>(3 * geometry.kept_width * rows));
  for (auto& first : vertical_.first) first -= static_cast<int32_t>(vertical_.begin);
  first_row_ = geometry.top + vertical_.begin;
  vertical_.begin = 0;
  vertical_.end = rows;
}

void Resizer::operator()(const uint8_t* rgb, size_t stride, uint8_t* out) {
  const int64_t rows = vertical_.end, width = geometry_.kept_width;
  const uint8_t* from = rgb + static_cast<size_t>(first_row_) * stride + geometry_.left * 3;
  resample({from, stride, rows, 3}, horizontal_, strip_, between_.data());
  for (int64_t c = 0; c < 3; ++c) {
    const uint8_t* plane = between_.data() + c * width * rows;
    uint8_t* to = out + c * geometry_.kept_height * width;
    resample({plane, static_cast<size_t>(rows), width, 1}, vertical_, strip_, to);
  }
  if (geometry_.flip) mirror(out, 3 * geometry_.kept_height, width);
}

}  // namespace vtr::video
