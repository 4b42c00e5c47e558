// Pictures as JPEG and PNG, by libjpeg-turbo and libpng themselves: OpenCV's codecs would bring a
// hundred libraries along.
#pragma once

#include <cstdint>
#include <vector>

namespace vtr::data {

// rgb [height, width, 3]. quality: 1 to 100. Colours at half the resolution, the slow exact DCT.
std::vector<uint8_t> encode_jpeg(const uint8_t* rgb, int64_t height, int64_t width,
                                 int64_t quality);
std::vector<uint8_t> encode_png(const uint8_t* rgb, int64_t height, int64_t width);
// False for a file that is none, is damaged or has another size.
bool decode_jpeg(const uint8_t* bytes, int64_t size, int64_t height, int64_t width, uint8_t* rgb);

}  // namespace vtr::data
