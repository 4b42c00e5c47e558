#include "transform.h"

#include <cstring>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace vtr::video {
namespace {

// Vector code of swscale may write so much past a row's end.
constexpr int64_t kSlack = 64;

// swscale's quick way from more than 8 bits is up to two grey levels too dark.
int scaling(AVPixelFormat format) {
  const AVPixFmtDescriptor* described = av_pix_fmt_desc_get(format);
  const bool deep = described && described->comp[0].depth > 8;
  return SWS_BICUBIC | (deep ? SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT : 0);
}

}  // namespace

bool Transform::load(const AVFrame& picture) {
  if (!convert(picture)) return false;
  if (rotation_ != 0) rotate();
  if (!pixels_ || height_ != known_height_ || width_ != known_width_) {
    known_height_ = height_;
    known_width_ = width_;
    pixels_.emplace(height_, width_, request_);
  }
  return true;
}

void Transform::store(uint8_t* out) { (*pixels_)(rgb_.data(), static_cast<size_t>(stride_), out); }

bool Transform::convert(const AVFrame& picture) {
  const auto format = static_cast<AVPixelFormat>(picture.format);
  scaler_.reset(sws_getCachedContext(scaler_.release(), picture.width, picture.height, format,
                                     picture.width, picture.height, AV_PIX_FMT_RGB24,
                                     scaling(format), nullptr, nullptr, nullptr));
  if (!scaler_) return false;
  height_ = picture.height;
  width_ = picture.width;
  stride_ = (3 * width_ + kSlack - 1) / kSlack * kSlack + kSlack;
  rgb_.resize(static_cast<size_t>(height_ * stride_ + kSlack));
  uint8_t* const to[] = {rgb_.data()};
  const int strides[] = {static_cast<int>(stride_)};
  return sws_scale(scaler_.get(), picture.data, picture.linesize, 0, picture.height, to, strides) ==
         picture.height;
}

void Transform::rotate() {
  const int64_t height = rotation_ == 180 ? height_ : width_;
  const int64_t width = rotation_ == 180 ? width_ : height_;
  turned_.resize(static_cast<size_t>(3 * height * width));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t from_y = rotation_ == 90    ? height_ - 1 - x
                             : rotation_ == 180 ? height_ - 1 - y
                                                : x;
      const int64_t from_x = rotation_ == 90    ? y
                             : rotation_ == 180 ? width_ - 1 - x
                                                : width_ - 1 - y;
      std::memcpy(&turned_[static_cast<size_t>(3 * (y * width + x))],
                  &rgb_[static_cast<size_t>(from_y * stride_ + 3 * from_x)], 3);
    }
  }
  rgb_.swap(turned_);
  height_ = height;
  width_ = width;
  stride_ = 3 * width;
}

}  // namespace vtr::video
