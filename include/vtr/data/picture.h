// A picture as a file's bytes, for stores and reports.
#pragma once

#include <cstdint>
#include <string>

namespace vtr::data {

// Of planar RGB, [3, height, width]. quality: 1 to 100.
std::string to_jpeg(const uint8_t* planes, int64_t height, int64_t width, int64_t quality);
std::string to_png(const uint8_t* planes, int64_t height, int64_t width);

}  // namespace vtr::data
