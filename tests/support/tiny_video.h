// Small video files for tests. Every frame is one grey level that tells its index.
#pragma once

#include "vtr/video/writer.h"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace vtr::test {

struct TinyVideo {
  int64_t frames = 8;
  int64_t width = 32, height = 24;
  int64_t first = 20, step = 10;  // frame i has the grey level first + i * step
  double fps = 10;
};

// H.264 for .mp4, Motion JPEG for .avi.
inline std::filesystem::path write_tiny_video(const std::filesystem::path& path,
                                              const TinyVideo& tiny = {}) {
  std::filesystem::create_directories(path.parent_path());
  video::Writer writer(path, {.width = tiny.width, .height = tiny.height, .fps = tiny.fps});
  for (int64_t i = 0; i < tiny.frames; ++i) {
    const std::vector<uint8_t> rgb(static_cast<size_t>(tiny.width * tiny.height * 3),
                                   static_cast<uint8_t>(tiny.first + i * tiny.step));
    writer.add(rgb.data());
  }
  writer.close();
  return path;
}

}  // namespace vtr::test
