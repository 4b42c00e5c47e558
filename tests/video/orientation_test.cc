#include "support/temp_dir.h"

#include "vtr/video/frames.h"
#include "vtr/video/probe.h"
#include "vtr/video/writer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace vtr::video {
namespace {

constexpr int64_t kHeight = 24, kWidth = 32;

// Red and green above, blue and white below.
void write_corners(const fs::path& path) {
  constexpr uint8_t kCorners[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      const auto& colour = kCorners[2 * (y / (kHeight / 2)) + x / (kWidth / 2)];
      rgb.insert(rgb.end(), colour, colour + 3);
    }
  }
  Writer writer(path, {.width = kWidth, .height = kHeight});
  for (int i = 0; i < 2; ++i) writer.add(rgb.data());
  writer.close();
}

std::string number(int32_t n) {
  const auto u = static_cast<uint32_t>(n);
  return {static_cast<char>(u >> 24), static_cast<char>(u >> 16), static_cast<char>(u >> 8),
          static_cast<char>(u)};
}

// {a, b, c, d}: what is at (x, y) is shown at (a x + c y, b x + d y), but for a shift (ISO
// 14496-12, 6.2.2).
using Matrix = std::array<int32_t, 4>;

// In the file's track header.
void set_matrix(std::string& mp4, const Matrix& m) {
  const auto rows = [](const Matrix& n) {
    const auto fixed = [&](size_t i) { return number(n[i] * (1 << 16)); };
    return fixed(0) + fixed(1) + number(0) + fixed(2) + fixed(3) + number(0);
  };
  const std::string identity = rows({1, 0, 0, 1});
  const size_t at = mp4.find(identity, mp4.find("tkhd"));
  ASSERT_NE(at, std::string::npos);
  mp4.replace(at, identity.size(), rows(m));
}

// The corners' colours by their letters, row by row.
std::string corners(const Frames& frames) {
  std::string result;
  const int64_t plane = frames.height * frames.width;
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t y = frames.height * (1 + i / 2 * 2) / 4, x = frames.width * (1 + i % 2 * 2) / 4;
    const auto high = [&](int64_t channel) {
      return frames.pixels[static_cast<size_t>(channel * plane + y * frames.width + x)] > 127;
    };
    result += high(0) && high(1) && high(2) ? 'W' : high(0) ? 'R' : high(1) ? 'G' : 'B';
  }
  return result;
}

TEST(Orientation, EveryMatrixIsFollowed) {
  struct Case {
    Matrix matrix;
    std::string shown;
    int64_t rotation;
  };
  const std::vector<Case> cases = {
      {{1, 0, 0, 1}, "RGBW", 0},    {{0, 1, -1, 0}, "BRWG", 90},   {{-1, 0, 0, -1}, "WBGR", 180},
      {{0, -1, 1, 0}, "GWRB", 270}, {{-1, 0, 0, 1}, "GRWB", 0},    {{1, 0, 0, -1}, "BWRG", 180},
      {{0, 1, 1, 0}, "RBGW", 90},   {{0, -1, -1, 0}, "WGBR", 270},
  };
  test::TempDir dir;
  write_corners(dir / "a.mp4");
  for (const auto& [matrix, shown, rotation] : cases) {
    std::string mp4 = read_file(dir / "a.mp4");
    set_matrix(mp4, matrix);
    const auto path = dir.write("turned.mp4", mp4);
    const Frames frames = read_frames(path, {.frames = 2, .resolution = kHeight, .crop = "whole"});
    EXPECT_EQ(corners(frames), shown);
    EXPECT_EQ(frames.height, rotation % 180 == 0 ? kHeight : kWidth) << shown;
    EXPECT_EQ(frames.width, rotation % 180 == 0 ? kWidth : kHeight) << shown;
    const Info info = probe(path);
    EXPECT_EQ(info.rotation, rotation) << shown;
    EXPECT_EQ(info.height, frames.height) << shown;
    EXPECT_EQ(info.width, frames.width) << shown;
  }
}

}  // namespace
}  // namespace vtr::video
