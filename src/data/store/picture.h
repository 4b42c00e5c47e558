// A stored frame's bytes and a frame's planes, one from the other. Free of LibTorch.
#pragma once

#include "vtr/data/frame_store.h"
#include "vtr/video/pixels.h"

#include <optional>

namespace vtr::data {

// Raw frames of the final size are stored as they are handed on, [3, R, R]. All others are
// pictures, RGB [height, width, 3], which a resizer takes.
inline bool stored_as_planes(const StoreSpec& spec) {
  return spec.format == "raw" && spec.crop == "center";
}

// planes [3, height, width] RGB, appended to `bytes` as the store's format says.
void append_frame(const uint8_t* planes, int64_t height, int64_t width, const StoreSpec& spec,
                  std::vector<uint8_t>& bytes);

// Stored frames of one video to the frames a request asks for.
class FrameUnpacker {
 public:
  FrameUnpacker(const StoreSpec& spec, const video::Request& request, int64_t height,
                int64_t width);
  // out [3, R, R]. False for a JPEG that is none or has another size.
  bool operator()(const uint8_t* bytes, int64_t size, uint8_t* out);

 private:
  const StoreSpec& spec_;
  const video::Request& request_;
  const int64_t height_, width_;
  std::optional<video::PixelTransform> transform_;  // of whole frames
};

}  // namespace vtr::data
