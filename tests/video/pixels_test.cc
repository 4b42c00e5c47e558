#include "vtr/video/pixels.h"

#include <gtest/gtest.h>

namespace vtr::video {
namespace {

using Pixels = std::vector<uint8_t>;  // [3, n]

Pixels jittered(Pixels pixels, const Jitter& strength, uint64_t seed) {
  ColourJitter(strength, seed)(pixels.data(), std::ssize(pixels) / 3);
  return pixels;
}

// Red, orange and dark blue, side by side.
const Pixels kImage = {255, 200, 10, 0, 120, 20, 0, 30, 90};

TEST(Jitter, IsAFunctionOfTheSeed) {
  const Jitter all{.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1};
  EXPECT_EQ(jittered(kImage, all, 1), jittered(kImage, all, 1));
  EXPECT_NE(jittered(kImage, all, 1), jittered(kImage, all, 2));
}

TEST(Jitter, BrightnessMultipliesEveryValue) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto out = jittered(kImage, {.brightness = 0.2}, seed);
    const double factor = out[1] / 200.0;
    EXPECT_GE(factor, 0.795);
    EXPECT_LE(factor, 1.205);
    EXPECT_NEAR(out[8], 90 * factor, 1);
    EXPECT_NEAR(out[4], 120 * factor, 1);
  }
}

TEST(Jitter, ContrastKeepsTheMeanGreyAndSaturationEveryPixelsGrey) {
  const auto grey = [](const Pixels& p, size_t i) {
    return 0.2989 * p[i] + 0.587 * p[i + 3] + 0.114 * p[i + 6];
  };
  const Pixels soft = {130, 120, 100, 90, 110, 120, 100, 90, 130};  // far from both ends
  const auto mean = [&](const Pixels& p) { return (grey(p, 0) + grey(p, 1) + grey(p, 2)) / 3; };
  for (uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_NEAR(mean(jittered(soft, {.contrast = 0.5}, seed)), mean(soft), 1);
    const auto out = jittered(soft, {.saturation = 0.5}, seed);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(grey(out, i), grey(soft, i), 1);
  }
}

// What Python's colorsys gives for the hue of 200, 120, 30 turned as red is turned.
TEST(Jitter, HueTurnsEveryColourAlike) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto out = jittered(kImage, {.hue = 0.1}, seed);
    // Red stays pure: the largest value is 255 and the smallest 0; the third tells the turn.
    ASSERT_EQ(out[0], 255);
    const double sixths = out[3] > 0 ? out[3] / 255.0 : -out[6] / 255.0;
    EXPECT_LE(std::abs(sixths), 0.6 + 1e-9);
    const double orange = 90.0 / 170 + sixths;  // between red, 0, and yellow, 1
    if (orange < 0.01 || orange > 0.99) continue;
    EXPECT_EQ(out[1], 200);
    EXPECT_NEAR(out[4], 30 + 170 * orange, 1);
    EXPECT_EQ(out[7], 30);
  }
}

TEST(Jitter, GreyHasNoHue) {
  const Pixels greys = {0, 128, 255, 0, 128, 255, 0, 128, 255};
  EXPECT_EQ(jittered(greys, {.saturation = 0.5, .hue = 0.5}, 3), greys);
}

}  // namespace
}  // namespace vtr::video
