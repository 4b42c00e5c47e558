// Frames to a video file: H.264 for .mp4, Motion JPEG for .avi. The file's bytes depend on the
// frames alone, not on the machine's cores.
//
//   video::Writer writer("a.mp4", {.width = 96, .height = 72, .fps = 10});
//   for (const auto& rgb : frames) writer.add(rgb.data());
//   writer.close();
#pragma once

#include "vtr/core/files.h"

#include <cstdint>
#include <memory>

namespace vtr::video {

struct WriterOptions {
  int64_t width = 0, height = 0;  // even
  double fps = 10;
};

class Writer {
 public:
  Writer(const fs::path& path, const WriterOptions& options);  // throws Error
  ~Writer();
  void add(const uint8_t* rgb);  // [height, width, 3]
  void close();                  // throws Error when the file is not there in full

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::video
