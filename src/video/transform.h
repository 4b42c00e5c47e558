// A decoded picture to the pixels a model takes.
#pragma once

#include "input.h"

#include "vtr/video/pixels.h"

#include <optional>
#include <vector>

namespace vtr::video {

// Colours to RGB, the rotation and mirroring that players apply, and what the request asks of the
// pixels. The colours are read as the file tags them: YUV by the matrix and the range that it
// names, by BT.601 and limited range where it names none (the yuvj formats are full by themselves).
class Transform {
 public:
  Transform(const Request& request, Orientation orientation)
      : request_(request), orientation_(orientation) {}
  // Takes a picture in; false where it cannot be converted.
  bool load(const AVFrame& picture);
  // Of the picture that was taken in: its pixels, [3, height(), width()].
  int64_t height() const { return pixels_->height(); }
  int64_t width() const { return pixels_->width(); }
  void store(uint8_t* out);

 private:
  // What the scaler depends on.
  struct Source {
    int width = 0, height = 0, format = AV_PIX_FMT_NONE;
    AVColorSpace matrix = AVCOL_SPC_UNSPECIFIED;
    AVColorRange range = AVCOL_RANGE_UNSPECIFIED;
    bool operator==(const Source&) const = default;
  };
  bool prepare(const Source& source);
  bool convert(const AVFrame& picture);
  void turn();

  const Request request_;
  const Orientation orientation_;
  Source source_;  // of scaler_
  Owned<SwsContext> scaler_;
  std::vector<uint8_t> rgb_, turned_;
  int64_t height_ = 0, width_ = 0, stride_ = 0;  // of rgb_
  int64_t known_height_ = 0, known_width_ = 0;   // of the pictures that pixels_ takes
  std::optional<PixelTransform> pixels_;
};

}  // namespace vtr::video
