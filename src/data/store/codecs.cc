#include "store/codecs.h"

#include "vtr/core/error.h"

#include <memory>
#include <png.h>
#include <turbojpeg.h>

namespace vtr::data {
namespace {

using Turbo = std::unique_ptr<void, decltype(&tjDestroy)>;

}  // namespace

std::vector<uint8_t> encode_jpeg(const uint8_t* rgb, int64_t height, int64_t width,
                                 int64_t quality) {
  const Turbo turbo(tjInitCompress(), &tjDestroy);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int failed = tjCompress2(turbo.get(), rgb, static_cast<int>(width), /*pitch=*/0,
                                 static_cast<int>(height), TJPF_RGB, &bytes, &size, TJSAMP_420,
                                 static_cast<int>(quality), TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(bytes, &tjFree);
  VTR_CHECK(failed == 0, "a frame of {} x {} as JPEG: {}", width, height,
            tjGetErrorStr2(turbo.get()));
  return {bytes, bytes + size};
}

std::vector<uint8_t> encode_png(const uint8_t* rgb, int64_t height, int64_t width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  std::vector<uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(image));
  png_alloc_size_t size = bytes.size();
  const int done = png_image_write_to_memory(&image, bytes.data(), &size, /*convert_to_8_bit=*/0,
                                             rgb, /*row_stride=*/0, /*colormap=*/nullptr);
  VTR_CHECK(done != 0, "a picture of {} x {} as PNG: {}", width, height, image.message);
  bytes.resize(size);
  return bytes;
}

bool decode_jpeg(const uint8_t* bytes, int64_t size, int64_t height, int64_t width, uint8_t* rgb) {
  const Turbo turbo(tjInitDecompress(), &tjDestroy);
  const auto length = static_cast<unsigned long>(size);
  int found_width = 0, found_height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(turbo.get(), bytes, length, &found_width, &found_height, &sampling,
                          &colours) != 0) {
    return false;
  }
  return found_width == width && found_height == height &&
         tjDecompress2(turbo.get(), bytes, length, rgb, found_width, /*pitch=*/0, found_height,
                       TJPF_RGB, TJFLAG_ACCURATEDCT) == 0;
}

}  // namespace vtr::data
