#include "vtr/video/resize.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <gtest/gtest.h>

#include <sstream>

namespace vtr::video {
namespace {

// The image of scripts/make_pixel_fixtures.py.
std::vector<uint8_t> image(int64_t width, int64_t height) {
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const auto i = static_cast<uint32_t>((y * width + x) * 3 + c);
        const int64_t values[] = {(i * 2654435761u) >> 24, (x / 5 + y / 7 + c) % 2 == 1 ? 255 : 0,
                                  (x * 3 + y * 2 + c * 40) % 256};
        rgb.push_back(static_cast<uint8_t>(values[(x / 16 + y / 16) % 3]));
      }
    }
  }
  return rgb;
}

std::vector<uint8_t> resized(const Geometry& geometry, int64_t resolution) {
  std::vector<uint8_t> out(static_cast<size_t>(3 * resolution * resolution));
  Resizer resizer(geometry);
  const auto input = image(geometry.width, geometry.height);
  resizer(input.data(), static_cast<size_t>(geometry.width * 3), out.data());
  return out;
}

uint32_t crc32(const std::vector<uint8_t>& bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

std::string fixture(const std::string& name) {
  return read_file(fs::path(VTR_FIXTURES) / "video" / name);
}

struct Case {
  int64_t width, height, resolution;
  uint32_t crc;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  std::istringstream in(fixture("resize.txt"));
  for (Case c; in >> c.width >> c.height >> c.resolution >> c.crc;) result.push_back(c);
  return result;
}

uint32_t named_crc(const std::string& name) {
  const std::string text = fixture("resize.txt");
  return static_cast<uint32_t>(std::stoul(text.substr(text.find(name + " ") + name.size())));
}

TEST(Resize, EqualsPillowToTheBit) {
  ASSERT_EQ(cases().size(), 15u);
  for (const auto& c : cases()) {
    const auto out = resized(center_geometry(c.height, c.width, c.resolution), c.resolution);
    EXPECT_EQ(crc32(out), c.crc) << c.width << "x" << c.height << " to " << c.resolution;
  }
}

// The same, with the place of the first difference for whoever has to repair it.
TEST(Resize, EqualsPillowPixelByPixel) {
  for (const auto& c : {Case{97, 131, 24, 0}, Case{64, 64, 32, 0}, Case{40, 30, 48, 0}}) {
    const auto out = resized(center_geometry(c.height, c.width, c.resolution), c.resolution);
    const std::string expected =
        fixture(fmt::format("resize_{}x{}_{}.bin", c.width, c.height, c.resolution));
    ASSERT_EQ(out.size(), expected.size());
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_EQ(int(out[i]), int(uint8_t(expected[i]))) << "at byte " << i << " of " << c.width;
    }
  }
}

TEST(Resize, ABoxIsCutOutBeforeItIsResized) {
  Geometry g{.height = 240,
             .width = 320,
             .top = 20,
             .left = 33,
             .box_height = 150,
             .box_width = 171,
             .out_height = 64,
             .out_width = 64,
             .kept_height = 64,
             .kept_width = 64};
  EXPECT_EQ(crc32(resized(g, 64)), named_crc("box"));
  g.flip = true;
  EXPECT_EQ(crc32(resized(g, 64)), named_crc("flipped"));
}

TEST(Resize, CenterFollowsTorchvisionsRounding) {
  const Geometry g = center_geometry(240, 320, 224);
  EXPECT_EQ(g.out_width, 298);  // int(224 * 320 / 240)
  EXPECT_EQ(g.out_left, 37);
  EXPECT_EQ(center_geometry(224, 225, 224).out_left, 0);  // round(0.5) is 0
  EXPECT_EQ(center_geometry(224, 227, 224).out_left, 2);  // round(1.5) is 2
}

TEST(Resize, RandomBoxesFitAndKeepToTheirRange) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Rng rng(seed);
    const Geometry g = random_geometry(72, 96, 64, rng);
    ASSERT_GE(g.top, 0);
    ASSERT_GE(g.left, 0);
    ASSERT_LE(g.top + g.box_height, 72);
    ASSERT_LE(g.left + g.box_width, 96);
    const auto area = static_cast<double>(g.box_height * g.box_width) / (72.0 * 96.0);
    EXPECT_GT(area, 0.48);  // the sides are rounded
    const auto ratio = static_cast<double>(g.box_width) / static_cast<double>(g.box_height);
    EXPECT_NEAR(ratio, 1.0, 0.36);
  }
}

TEST(Resize, ExtremeShapesStillGiveABox) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1000}, {1000, 1}, {1, 1}}) {
    Rng rng(7);
    const Geometry g = random_geometry(height, width, 16, rng);
    EXPECT_GE(g.box_height, 1);
    EXPECT_GE(g.box_width, 1);
    EXPECT_LE(g.left + g.box_width, width);
    EXPECT_EQ(resized(g, 16).size(), 3u * 16 * 16);
  }
}

}  // namespace
}  // namespace vtr::video
