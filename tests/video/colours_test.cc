#include "support/temp_dir.h"

#include "vtr/video/frames.h"
#include "vtr/video/writer.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace vtr::video {
namespace {

using Colour = std::array<double, 3>;

// What YUV is made of (ITU-T H.273, table 4): its number there and the shares of red and blue.
struct Matrix {
  int number;
  double red, blue;
};
constexpr Matrix kBt601 = {6, 0.299, 0.114}, kBt709 = {1, 0.2126, 0.0722},
                 kBt2020 = {9, 0.2627, 0.0593}, kSmpte240 = {7, 0.212, 0.087},
                 kUnspecified = {2, 0.299, 0.114};

// RGB to the 8-bit numbers of YUV, and back.
Colour to_yuv(const Colour& rgb, const Matrix& m, bool full) {
  const double y = m.red * rgb[0] + (1 - m.red - m.blue) * rgb[1] + m.blue * rgb[2];
  const double u = (rgb[2] - y) / (2 - 2 * m.blue), v = (rgb[0] - y) / (2 - 2 * m.red);
  const double chroma = full ? 1 : 224. / 255;
  return {full ? y : 16 + 219. / 255 * y, 128 + chroma * u, 128 + chroma * v};
}

Colour to_rgb(const Colour& yuv, const Matrix& m) {  // of limited range
  const double y = (yuv[0] - 16) * 255 / 219;
  const double red = y + (2 - 2 * m.red) * (yuv[2] - 128) * 255 / 224;
  const double blue = y + (2 - 2 * m.blue) * (yuv[1] - 128) * 255 / 224;
  return {red, (y - m.red * red - m.blue * blue) / (1 - m.red - m.blue), blue};
}

void write_colour(const fs::path& path, const Colour& colour) {
  std::vector<uint8_t> rgb(32 * 24 * 3);
  for (size_t i = 0; i < rgb.size(); ++i) {
    ASSERT_TRUE(colour[i % 3] >= 0 && colour[i % 3] <= 255);
    rgb[i] = static_cast<uint8_t>(std::lround(colour[i % 3]));
  }
  Writer writer(path, {.width = 32, .height = 24});
  for (int i = 0; i < 2; ++i) writer.add(rgb.data());
  writer.close();
}

std::string number(size_t n, int bytes) {
  std::string result;
  while (bytes-- > 0) result += static_cast<char>(n >> 8 * bytes);
  return result;
}

// With a box `colr` at the end of the track's description.
std::string tagged(std::string mp4, const Matrix& m, bool full) {
  const std::string box = number(19, 4) + "colrnclx" + number(2, 2) + number(2, 2) +
                          number(static_cast<size_t>(m.number), 2) + number(full ? 128 : 0, 1);
  size_t at = 0, end = 0;
  for (const char* around : {"moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1"}) {
    at = mp4.find(around, at);
    size_t size = 0;
    for (size_t i = at - 4; i < at; ++i) size = size << 8 | static_cast<uint8_t>(mp4[i]);
    end = at - 4 + size;
    mp4.replace(at - 4, 4, number(size + box.size(), 4));
  }
  return mp4.insert(end, box);
}

// A file of the colour's YUV, by way of the colour that the writer, whose YUV is BT.601's, makes it
// of.
TEST(Colours, AreReadAsTheFileTagsThem) {
  test::TempDir dir;
  for (const Colour& colour : {Colour{180, 110, 90}, Colour{70, 150, 120}, Colour{90, 80, 170}}) {
    for (const Matrix& m : {kUnspecified, kBt601, kBt709, kBt2020, kSmpte240}) {
      for (const bool full : {false, true}) {
        write_colour(dir / "a.mp4", to_rgb(to_yuv(colour, m, full), kBt601));
        const auto path = dir.write("tagged.mp4", tagged(read_file(dir / "a.mp4"), m, full));
        const Frames frames = read_frames(path, {.frames = 1, .resolution = 16});
        for (size_t i = 0; i < 3 * 16 * 16; ++i) {
          ASSERT_NEAR(frames.pixels[i], colour[i / (16 * 16)], 3) << m.number << " " << full;
        }
      }
    }
  }
}

}  // namespace
}  // namespace vtr::video
