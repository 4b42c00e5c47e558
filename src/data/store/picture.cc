#include "store/picture.h"

#include "store/codecs.h"

#include "vtr/data/picture.h"

#include <opencv2/core.hpp>

#include <cstring>

namespace vtr::data {
namespace {

std::vector<cv::Mat> as_mats(uint8_t* planes, int64_t height, int64_t width) {
  std::vector<cv::Mat> mats;
  for (int64_t c = 0; c < 3; ++c) {
    mats.emplace_back(static_cast<int>(height), static_cast<int>(width), CV_8UC1,
                      planes + c * height * width);
  }
  return mats;
}

cv::Mat interleaved(const uint8_t* planes, int64_t height, int64_t width) {
  cv::Mat picture;
  cv::merge(as_mats(const_cast<uint8_t*>(planes), height, width), picture);
  return picture;
}

}  // namespace

std::string to_jpeg(const uint8_t* planes, int64_t height, int64_t width, int64_t quality) {
  const auto bytes = encode_jpeg(interleaved(planes, height, width).data, height, width, quality);
  return {bytes.begin(), bytes.end()};
}

std::string to_png(const uint8_t* planes, int64_t height, int64_t width) {
  const auto bytes = encode_png(interleaved(planes, height, width).data, height, width);
  return {bytes.begin(), bytes.end()};
}

void append_frame(const uint8_t* planes, int64_t height, int64_t width, const StoreSpec& spec,
                  std::vector<uint8_t>& bytes) {
  if (stored_as_planes(spec)) {
    bytes.insert(bytes.end(), planes, planes + 3 * height * width);
    return;
  }
  if (spec.format == "raw") {
    const cv::Mat picture = interleaved(planes, height, width);
    bytes.insert(bytes.end(), picture.datastart, picture.dataend);
    return;
  }
  const std::string jpeg = to_jpeg(planes, height, width, spec.quality);
  bytes.insert(bytes.end(), jpeg.begin(), jpeg.end());
}

FrameUnpacker::FrameUnpacker(const StoreSpec& spec, const video::Request& request, int64_t height,
                             int64_t width)
    : spec_(spec), request_(request), height_(height), width_(width) {
  if (spec.crop == "whole") transform_.emplace(height, width, request);
}

bool FrameUnpacker::operator()(const uint8_t* bytes, int64_t size, uint8_t* out) {
  if (stored_as_planes(spec_)) {
    std::memcpy(out, bytes, static_cast<size_t>(size));
    return true;
  }
  const auto rows = static_cast<int>(height_), columns = static_cast<int>(width_);
  cv::Mat picture;
  if (spec_.format == "raw") {
    picture = cv::Mat(rows, columns, CV_8UC3, const_cast<uint8_t*>(bytes));
  } else {
    picture.create(rows, columns, CV_8UC3);
    if (!decode_jpeg(bytes, size, height_, width_, picture.data)) return false;
  }
  if (transform_) {
    (*transform_)(picture.data, picture.step, out);
  } else {
    auto planes = as_mats(out, request_.resolution, request_.resolution);
    cv::split(picture, planes);
  }
  return true;
}

}  // namespace vtr::data
