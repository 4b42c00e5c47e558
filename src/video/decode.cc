#include "backend.h"

#include "vtr/core/error.h"
#include "vtr/video/frames.h"
#include "vtr/video/resize.h"

#include <opencv2/videoio.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

namespace vtr::video {
namespace {

// A count the container states is believed for planning only up to here: a frame a millisecond for
// four months.
constexpr double kMostFrames = 1e10;

void check_file(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  VTR_CHECK(fs::exists(status), "{}: no such video", path.string());
  VTR_CHECK(fs::is_regular_file(status), "{}: not a file", path.string());
  const auto size = fs::file_size(path, error);
  VTR_CHECK(!error && size > 0, "{}: the file is empty (copy or download it again)", path.string());
}

cv::VideoCapture open(const fs::path& path) {
  cv::VideoCapture capture;
  // "file:" keeps a name with a colon from being read as a protocol.
  const bool opened = capture.open("file:" + path.string(), cv::CAP_FFMPEG);
  VTR_CHECK(opened && capture.isOpened(),
            "{}: no video stream that can be decoded (not a video, or cut off? try `ffprobe`)",
            path.string());
  return capture;
}

// The frames of one pass over a file, resized as they come.
class Pass {
 public:
  Pass(const fs::path& path, const Request& request) : path_(path), request_(request) {}

  // Decodes the whole file and keeps the frames `wanted` (ascending) that are not kept yet. Returns
  // the number of frames there are.
  int64_t run(const std::vector<int64_t>& wanted) {
    cv::VideoCapture capture = open(path_);
    return run(capture, wanted);
  }
  int64_t run(cv::VideoCapture& capture, const std::vector<int64_t>& wanted) {
    auto next = wanted.begin();
    int64_t index = 0;
    for (; capture.grab(); ++index) {
      if (next == wanted.end() || *next != index) continue;
      ++next;
      if (kept_.contains(index)) continue;
      // A picture that was decoded and cannot be converted ends the video like one cut off there.
      if (!capture.retrieve(picture_) || picture_.empty() || picture_.type() != CV_8UC3) break;
      keep(index);
      seconds_[index] = static_cast<float>(capture.get(cv::CAP_PROP_POS_MSEC) / 1000);
    }
    return index;
  }
  bool has(int64_t index) const { return kept_.contains(index); }
  const std::vector<uint8_t>& operator[](int64_t index) const { return kept_.at(index); }
  float seconds(int64_t index) const { return seconds_.at(index); }
  int64_t height() const { return kept_height_; }
  int64_t width() const { return kept_width_; }

 private:
  void keep(int64_t index) {
    if (!resizer_ || picture_.rows != height_ || picture_.cols != width_) {
      height_ = picture_.rows;
      width_ = picture_.cols;
      const Geometry geometry = geometry_of(height_, width_, request_);
      VTR_CHECK(kept_.empty() ||
                    (geometry.kept_height == kept_height_ && geometry.kept_width == kept_width_),
                "{}: its pictures change their shape at frame {}, and whole frames must have one",
                path_.string(), index);
      kept_height_ = geometry.kept_height;
      kept_width_ = geometry.kept_width;
      resizer_.emplace(geometry);
    }
    auto& pixels = kept_[index];
    pixels.resize(static_cast<size_t>(3 * kept_height_ * kept_width_));
    (*resizer_)(picture_.data, picture_.step, pixels.data());
  }

  const fs::path& path_;
  const Request& request_;
  std::map<int64_t, std::vector<uint8_t>> kept_;
  std::map<int64_t, float> seconds_;
  std::optional<Resizer> resizer_;
  int64_t height_ = 0, width_ = 0;            // of the pictures
  int64_t kept_height_ = 0, kept_width_ = 0;  // of what is kept of each
  cv::Mat picture_;
};

int64_t stated_count(cv::VideoCapture& capture) {
  const double count = capture.get(cv::CAP_PROP_FRAME_COUNT);
  return std::isfinite(count) && count >= 1 && count <= kMostFrames ? std::llround(count) : 0;
}

Frames assemble(const Pass& pass, const std::vector<int64_t>& indices, const Request& request) {
  Frames frames{.valid = static_cast<int64_t>(indices.size()),
                .height = pass.height(),
                .width = pass.width(),
                .pixels = {},
                .seconds = {}};
  for (int64_t i = 0; i < request.frames; ++i) {
    const int64_t index = indices[static_cast<size_t>(std::min(i, frames.valid - 1))];
    const auto& frame = pass[index];
    frames.pixels.insert(frames.pixels.end(), frame.begin(), frame.end());
    frames.seconds.push_back(pass.seconds(index));
  }
  return frames;
}

}  // namespace

Frames read_frames(const fs::path& path, const Request& request) {
  set_up_backend();
  check_file(path);
  cv::VideoCapture capture = open(path);
  const int64_t stated = stated_count(capture);
  Pass pass(path, request);
  // To the end even after the last wanted frame: only then is the stated count known to be true.
  int64_t count =
      pass.run(capture, stated > 0 ? sample_indices(stated, request) : std::vector<int64_t>{0});
  std::vector<int64_t> indices;
  for (int attempt = 0; attempt < 3; ++attempt) {
    VTR_CHECK(count > 0, "{}: no frame can be decoded (cut off or corrupt? copy it again)",
              path.string());
    indices = sample_indices(count, request);
    const auto missing = [&](int64_t index) { return !pass.has(index); };
    if (std::none_of(indices.begin(), indices.end(), missing)) break;
    count = pass.run(indices);
  }
  for (const int64_t index : indices) {
    VTR_CHECK(pass.has(index), "{}: frame {} cannot be decoded (corrupt? copy it again)",
              path.string(), index);
  }
  return assemble(pass, indices, request);
}

Normalization normalization(const std::string& name) {
  if (name == "clip")
    return {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}};
  if (name == "imagenet") return {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  if (name == "half") return {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
  throw Error(fmt::format("unknown normalization '{}' (known: clip, imagenet, half)", name));
}

}  // namespace vtr::video
