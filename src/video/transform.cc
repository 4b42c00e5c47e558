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

// Has a matrix and a range. (A palette is RGB.)
bool is_yuv(AVPixelFormat format) {
  const AVPixFmtDescriptor* described = av_pix_fmt_desc_get(format);
  return described && described->nb_components >= 3 &&
         !(described->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

void set_colours(SwsContext& scaler, AVColorSpace matrix, AVColorRange range) {
  int *from = nullptr, *to = nullptr;
  int full = 0, to_full = 0, brightness = 0, contrast = 0, saturation = 0;
  if (sws_getColorspaceDetails(&scaler, &from, &full, &to, &to_full, &brightness, &contrast,
                               &saturation) < 0) {
    return;
  }
  // AVColorSpace and SWS_CS_ share their numbers; of RGB, which YUV cannot be, there is none.
  const int* tagged = sws_getCoefficients(matrix == AVCOL_SPC_RGB ? AVCOL_SPC_UNSPECIFIED : matrix);
  sws_setColorspaceDetails(&scaler, tagged, full | (range == AVCOL_RANGE_JPEG), to, to_full,
                           brightness, contrast, saturation);
}

}  // namespace

bool Transform::load(const AVFrame& picture) {
  if (!convert(picture)) return false;
  if (orientation_.rotation != 0 || orientation_.mirrored) turn();
  if (!pixels_ || height_ != known_height_ || width_ != known_width_) {
    known_height_ = height_;
    known_width_ = width_;
    pixels_.emplace(height_, width_, request_);
  }
  return true;
}

void Transform::store(uint8_t* out) { (*pixels_)(rgb_.data(), static_cast<size_t>(stride_), out); }

bool Transform::prepare(const Source& source) {
  if (scaler_ && source == source_) return true;
  const auto format = static_cast<AVPixelFormat>(source.format);
  scaler_.reset(sws_getContext(source.width, source.height, format, source.width, source.height,
                               AV_PIX_FMT_RGB24, scaling(format), nullptr, nullptr, nullptr));
  source_ = source;
  if (scaler_ && is_yuv(format)) set_colours(*scaler_, source.matrix, source.range);
  return scaler_ != nullptr;
}

bool Transform::convert(const AVFrame& picture) {
  if (!prepare({picture.width, picture.height, picture.format, picture.colorspace,
                picture.color_range})) {
    return false;
  }
  height_ = picture.height;
  width_ = picture.width;
  stride_ = (3 * width_ + kSlack - 1) / kSlack * kSlack + kSlack;
  rgb_.resize(static_cast<size_t>(height_ * stride_ + kSlack));
  uint8_t* const to[] = {rgb_.data()};
  const int strides[] = {static_cast<int>(stride_)};
  return sws_scale(scaler_.get(), picture.data, picture.linesize, 0, picture.height, to, strides) ==
         picture.height;
}

void Transform::turn() {
  const auto [rotation, mirrored] = orientation_;
  const bool sideways = rotation % 180 != 0;
  const int64_t height = sideways ? width_ : height_;
  const int64_t width = sideways ? height_ : width_;
  turned_.resize(static_cast<size_t>(3 * height * width));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t before = mirrored ? width - 1 - x : x;
      int64_t from_y = sideways ? before : y;
      int64_t from_x = sideways ? y : before;
      if (rotation == 90 || rotation == 180) from_y = height_ - 1 - from_y;
      if (rotation == 180 || rotation == 270) from_x = width_ - 1 - from_x;
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
