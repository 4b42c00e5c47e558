#include "input.h"

#include <algorithm>
#include <cmath>

extern "C" {
#include <libavutil/display.h>
}

namespace vtr::video {
namespace {

// A demuxer that has nothing yet says so; one that says it so often in a row will never have it.
constexpr int kMostRetries = 1000;

// Of a picture; what a corrupt header states beyond it is refused before memory is asked for. It
// bounds what no time limit interrupts: one call of the decoder.
constexpr int64_t kMostPixels = int64_t{1} << 27;

// Formats that hold their data themselves: a playlist would have other files read, or waited for.
constexpr const char* kFormats =
    "mov,matroska,avi,flv,asf,mpeg,mpegts,mpegvideo,ogg,rm,mxf,nut,dv,ivf,gif,h264,hevc,m4v,av1,"
    "obu,"
    "wav,mp3,aac,flac";

using Clock = std::chrono::steady_clock;

void check_file(const fs::path& path) {
  const auto require = [&](bool good, Fault fault, const char* what) {
    if (!good) throw VideoError(fault, fmt::format("{}: {}", path.string(), what));
  };
  std::error_code error;
  const auto status = fs::status(path, error);
  require(fs::exists(status), Fault::missing, "no such video");
  require(fs::is_regular_file(status), Fault::missing, "not a file");
  const auto size = fs::file_size(path, error);
  require(!error && size > 0, Fault::empty, "the file is empty (copy or download it again)");
}

int is_late(void* deadline) { return static_cast<const Deadline*>(deadline)->passed(); }

// The stream's display matrix, or null.
const int32_t* display_matrix(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)  // FFmpeg 6.1
  const auto* data =
      av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                              AV_PKT_DATA_DISPLAYMATRIX);
  return data && data->size >= 9 * sizeof(int32_t) ? reinterpret_cast<const int32_t*>(data->data)
                                                   : nullptr;
#else
  size_t size = 0;
  const auto* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data && size >= 9 * sizeof(int32_t) ? reinterpret_cast<const int32_t*>(data) : nullptr;
#endif
}

}  // namespace

void silence_ffmpeg() { av_log_set_level(AV_LOG_QUIET); }

Deadline::Deadline(const fs::path& path, double limit)
    : path_(path),
      limit_(limit),
      end_(Clock::now() +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit))) {}

void Deadline::check() const {
  if (!passed()) return;
  throw VideoError(Fault::too_slow,
                   fmt::format("{}: not read within {} s (corrupt? else raise data.decode_seconds)",
                               path_.string(), limit_));
}

Input::Input(const fs::path& path, const Deadline& deadline) : path_(path), deadline_(deadline) {
  silence_ffmpeg();
  check_file(path);
  open();
  choose_stream();
  tick_ = av_q2d(stream_->time_base);
}

void Input::open() {
  AVFormatContext* file = avformat_alloc_context();
  VTR_ASSERT(file);
  file->interrupt_callback = {is_late, const_cast<Deadline*>(&deadline_)};
  file->flags |= AVFMT_FLAG_DISCARD_CORRUPT;  // the packet a cut went through
  AVDictionary* options = nullptr;
  av_dict_set(&options, "format_whitelist", kFormats, 0);
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  // "file:" keeps a name with a colon from being read as a protocol.
  const std::string url = "file:" + path_.string();
  const bool opened = avformat_open_input(&file, url.c_str(), nullptr, &options) == 0;
  av_dict_free(&options);
  if (opened) file_.reset(file);  // else it is freed
  const bool known = opened && avformat_find_stream_info(file, nullptr) >= 0;
  deadline_.check();
  if (!known) {
    throw VideoError(Fault::unreadable,
                     path_.string() +
                         ": cannot be read as a video (not one, or cut off? copy or "
                         "download it again)");
  }
}

void Input::choose_stream() {
  for (unsigned i = 0; i < file_->nb_streams; ++i) {
    AVStream* stream = file_->streams[i];
    const bool video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                       !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC);
    if (video && !stream_) {
      stream_ = stream;
    } else {
      stream->discard = AVDISCARD_ALL;
    }
  }
  if (!stream_) {
    throw VideoError(Fault::no_video_stream,
                     path_.string() + ": there is no video stream in it (sound only?)");
  }
}

bool Input::read(AVPacket& packet) {
  for (int retries = 0; retries < kMostRetries;) {
    av_packet_unref(&packet);
    const int result = av_read_frame(file_.get(), &packet);
    deadline_.check();
    if (result == AVERROR(EAGAIN)) {
      ++retries;
      continue;
    }
    if (result < 0) return false;
    // Without data it says "the frame before again", which a decoder takes for the end.
    if (packet.stream_index == stream_->index && packet.size > 0) return true;
  }
  return false;
}

bool Input::seek(int64_t dts) {
  const bool done = av_seek_frame(file_.get(), stream_->index, dts, AVSEEK_FLAG_BACKWARD) >= 0;
  deadline_.check();
  return done;
}

Owned<AVCodecContext> Input::decoder() const {
  const AVCodec* codec = avcodec_find_decoder(stream_->codecpar->codec_id);
  Owned<AVCodecContext> context(codec ? avcodec_alloc_context3(codec) : nullptr);
  bool opened = context && avcodec_parameters_to_context(context.get(), stream_->codecpar) >= 0;
  if (opened) {
    context->thread_count = 1;
    context->max_pixels = kMostPixels;
    context->pkt_timebase = stream_->time_base;
    opened = avcodec_open2(context.get(), codec, nullptr) >= 0;
  }
  if (!opened) {
    throw VideoError(Fault::unreadable,
                     fmt::format("{}: this FFmpeg has no decoder for its video ({})",
                                 path_.string(), avcodec_get_name(stream_->codecpar->codec_id)));
  }
  return context;
}

double Input::fps() const {
  if (stream_->avg_frame_rate.num == 0) return 0;  // the guess would be the ticks of its clock
  const double fps = av_q2d(av_guess_frame_rate(file_.get(), stream_, nullptr));
  return std::isfinite(fps) && fps > 0 ? fps : 0;
}

double Input::even_seconds(int64_t index) const {
  const double rate = fps();
  return static_cast<double>(index) / (rate > 0 ? rate : 25);
}

Orientation Input::orientation() const {
  const int32_t* stated = display_matrix(*stream_);
  if (!stated) return {};
  int32_t matrix[9];
  std::copy_n(stated, 9, matrix);
  // By the sign of the determinant.
  const bool mirrored = 1.0 * matrix[0] * matrix[4] < 1.0 * matrix[1] * matrix[3];
  // What is left is a rotation.
  if (mirrored) av_display_matrix_flip(matrix, 1, 0);
  const double turn = -av_display_rotation_get(matrix);  // NaN where it has none
  return {.rotation = std::isfinite(turn) ? (std::llround(turn / 90) % 4 + 4) % 4 * 90 : 0,
          .mirrored = mirrored};
}

}  // namespace vtr::video
