#include "vtr/video/pixels.h"

#include "vtr/core/random.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vtr::video {
namespace {

using Colour = std::array<float, 3>;  // red, green, blue in [0, 1]

float grey(const Colour& c) { return 0.2989f * c[0] + 0.587f * c[1] + 0.114f * c[2]; }

// factor * colour + (1 - factor) * other, cut to what can be shown.
Colour blend(const Colour& colour, float other, float factor) {
  Colour result;
  for (size_t c = 0; c < 3; ++c) {
    result[c] = std::clamp(factor * colour[c] + (1 - factor) * other, 0.0f, 1.0f);
  }
  return result;
}

// The colour with its hue turned by a part of the circle, by way of HSV.
Colour turn(const Colour& colour, float hue) {
  const auto [low, high] = std::minmax({colour[0], colour[1], colour[2]});
  const float range = high - low;
  if (range == 0) return colour;
  const auto [r, g, b] = colour;
  float sixth = high == r ? (g - b) / range : high == g ? 2 + (b - r) / range : 4 + (r - g) / range;
  sixth += 6 * hue;
  Colour result;
  for (size_t c = 0; c < 3; ++c) {
    // Each channel is a trapezium over the circle: red around 0, green around 2, blue around 4.
    const float away = std::fabs(std::remainder(sixth - 2 * static_cast<float>(c), 6.0f));
    result[c] = low + range * std::clamp(2 - away, 0.0f, 1.0f);
  }
  return result;
}

}  // namespace

ColourJitter::ColourJitter(const Jitter& strength, uint64_t seed) {
  Rng rng(seed);
  const auto factor = [&](double s) { return s > 0 ? rng.uniform(1 - s, 1 + s) : 1; };
  brightness_ = factor(strength.brightness);
  contrast_ = factor(strength.contrast);
  saturation_ = factor(strength.saturation);
  hue_ = strength.hue > 0 ? rng.uniform(-strength.hue, strength.hue) : 0;
  if (strength.brightness > 0) steps_.push_back(Step::brightness);
  if (strength.contrast > 0) steps_.push_back(Step::contrast);
  if (strength.saturation > 0) steps_.push_back(Step::saturation);
  if (strength.hue > 0) steps_.push_back(Step::hue);
  rng.shuffle(steps_);
}

void ColourJitter::operator()(uint8_t* rgb, int64_t pixels) const {
  std::vector<Colour> image(static_cast<size_t>(pixels));
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t i = 0; i < pixels; ++i) {
      image[static_cast<size_t>(i)][static_cast<size_t>(c)] =
          static_cast<float>(rgb[c * pixels + i]) / 255;
    }
  }
  for (const Step step : steps_) {
    double mean = 0;
    if (step == Step::contrast) {
      for (const auto& colour : image) mean += grey(colour) / static_cast<double>(pixels);
    }
    for (auto& colour : image) {
      switch (step) {
        case Step::brightness:
          colour = blend(colour, 0, static_cast<float>(brightness_));
          break;
        case Step::contrast:
          colour = blend(colour, static_cast<float>(mean), static_cast<float>(contrast_));
          break;
        case Step::saturation:
          colour = blend(colour, grey(colour), static_cast<float>(saturation_));
          break;
        case Step::hue:
          colour = turn(colour, static_cast<float>(hue_));
          break;
      }
    }
  }
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t i = 0; i < pixels; ++i) {
      const float value = image[static_cast<size_t>(i)][static_cast<size_t>(c)];
      rgb[c * pixels + i] = static_cast<uint8_t>(std::lround(value * 255));
    }
  }
}

PixelTransform::PixelTransform(int64_t height, int64_t width, const Request& request)
    : geometry_(geometry_of(height, width, request)), resizer_(geometry_) {
  if (request.jitter.any()) jitter_.emplace(request.jitter, derive(request.seed, "jitter"));
}

void PixelTransform::operator()(const uint8_t* rgb, size_t stride, uint8_t* out) {
  resizer_(rgb, stride, out);
  if (jitter_) (*jitter_)(out, height() * width());
}

}  // namespace vtr::video
