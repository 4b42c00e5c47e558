// FFmpeg's objects, owned; and a video file opened for reading.
#pragma once

#include "vtr/core/files.h"
#include "vtr/video/probe.h"

#include <chrono>
#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

namespace vtr::video {

struct Free {
  void operator()(AVCodecContext* c) const { avcodec_free_context(&c); }
  void operator()(AVFrame* f) const { av_frame_free(&f); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(SwsContext* s) const { sws_freeContext(s); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// FFmpeg says nothing by itself: errors are ours to report, with the file's name.
void silence_ffmpeg();

// When the work on a file has to be done.
class Deadline {
 public:
  Deadline(const fs::path& path, double limit);  // seconds; 0: never
  bool passed() const { return limit_ > 0 && std::chrono::steady_clock::now() > end_; }
  void check() const;  // throws VideoError

 private:
  const fs::path path_;
  const double limit_;
  const std::chrono::steady_clock::time_point end_;
};

// What players do to a picture before they show it.
struct Orientation {
  int64_t rotation = 0;   // degrees clockwise: 0, 90, 180 or 270
  bool mirrored = false;  // left and right, after that
};

// The packets of a file's video stream: the first that is no cover art. Reads that file only,
// whatever is written in it.
class Input {
 public:
  Input(const fs::path& path, const Deadline& deadline);  // throws VideoError

  // The next packet that has data and is whole, or false at the end. Throws VideoError when late.
  bool read(AVPacket& packet);
  // Goes to where the packet of that decoding time is, or before it; false where that fails.
  bool seek(int64_t dts);
  // A decoder of one thread: the work is parallel over videos. Throws VideoError.
  Owned<AVCodecContext> decoder() const;

  const AVStream& stream() const { return *stream_; }
  // Of the file's ticks; as floating point, for which no difference is too large.
  double seconds(int64_t from, int64_t to) const {
    return (static_cast<double>(to) - static_cast<double>(from)) * tick_;
  }
  double fps() const;  // as stated; 0 where it is not
  // When a frame is shown in a file that does not say: evenly spaced.
  double even_seconds(int64_t index) const;
  Orientation orientation() const;

 private:
  struct Close {
    void operator()(AVFormatContext* f) const { avformat_close_input(&f); }
  };
  void open();
  void choose_stream();

  const fs::path path_;
  const Deadline& deadline_;
  std::unique_ptr<AVFormatContext, Close> file_;
  AVStream* stream_ = nullptr;
  double tick_ = 0;  // seconds
};

}  // namespace vtr::video
