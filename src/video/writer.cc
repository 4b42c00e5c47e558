#include "vtr/video/writer.h"

#include "input.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include <libavutil/opt.h>
}

namespace vtr::video {
namespace {

constexpr int kKeyFrameDistance = 12;

struct CloseOutput {
  void operator()(AVFormatContext* file) const {
    avio_closep(&file->pb);
    avformat_free_context(file);
  }
};

}  // namespace

struct Writer::Impl {
  fs::path path;
  std::unique_ptr<AVFormatContext, CloseOutput> file;
  Owned<AVCodecContext> encoder;
  Owned<SwsContext> scaler;
  Owned<AVFrame> picture{av_frame_alloc()};
  Owned<AVPacket> packet{av_packet_alloc()};
  std::vector<uint8_t> padded;  // a picture in RGB, with room behind it: the scaler reads on

  void require(bool good) const {
    VTR_CHECK(good, "{}: cannot be written as a video (is the folder there, is the disk full?)",
              path.string());
  }
  void open(const WriterOptions& options);
  void open_encoder(const WriterOptions& options);
  void encode(const AVFrame* frame);  // null: what is left inside
};

void Writer::Impl::open(const WriterOptions& options) {
  AVFormatContext* made = nullptr;
  avformat_alloc_output_context2(&made, nullptr, nullptr, path.c_str());
  require(made != nullptr);
  file.reset(made);
  file->flags |= AVFMT_FLAG_BITEXACT;
  open_encoder(options);
  AVStream* stream = avformat_new_stream(file.get(), nullptr);
  require(stream && avcodec_parameters_from_context(stream->codecpar, encoder.get()) >= 0);
  stream->time_base = encoder->time_base;
  stream->avg_frame_rate = encoder->framerate;
  require(avio_open(&file->pb, ("file:" + path.string()).c_str(), AVIO_FLAG_WRITE) >= 0);
  require(avformat_write_header(file.get(), nullptr) >= 0);
}

void Writer::Impl::open_encoder(const WriterOptions& options) {
  const bool jpeg = path.extension() == ".avi";
  const AVCodec* codec =
      jpeg ? avcodec_find_encoder(AV_CODEC_ID_MJPEG) : avcodec_find_encoder_by_name("libx264");
  VTR_CHECK(codec, "{}: this FFmpeg has no encoder for it ({} is needed)", path.string(),
            jpeg ? "mjpeg" : "libx264");
  encoder.reset(avcodec_alloc_context3(codec));
  encoder->width = static_cast<int>(options.width);
  encoder->height = static_cast<int>(options.height);
  encoder->pix_fmt = jpeg ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
  encoder->framerate = av_d2q(options.fps, 1 << 16);
  encoder->time_base = av_inv_q(encoder->framerate);
  encoder->gop_size = kKeyFrameDistance;
  encoder->thread_count = 1;  // the bytes shall not depend on the machine's cores
  encoder->flags |= AV_CODEC_FLAG_BITEXACT;
  if (file->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (jpeg) {
    encoder->flags |= AV_CODEC_FLAG_QSCALE;
    encoder->global_quality = 2 * FF_QP2LAMBDA;
  } else {
    av_opt_set(encoder->priv_data, "preset", "ultrafast", 0);
    av_opt_set(encoder->priv_data, "crf", "20", 0);
  }
  require(avcodec_open2(encoder.get(), codec, nullptr) >= 0);
}

void Writer::Impl::encode(const AVFrame* frame) {
  require(avcodec_send_frame(encoder.get(), frame) >= 0);
  while (avcodec_receive_packet(encoder.get(), packet.get()) >= 0) {
    packet->duration = 1;
    av_packet_rescale_ts(packet.get(), encoder->time_base, file->streams[0]->time_base);
    require(av_interleaved_write_frame(file.get(), packet.get()) >= 0);
  }
}

Writer::Writer(const fs::path& path, const WriterOptions& options)
    : impl_(std::make_unique<Impl>()) {
  silence_ffmpeg();
  VTR_CHECK(
      options.width > 0 && options.width % 2 == 0 && options.height > 0 &&
          options.height % 2 == 0 && options.fps > 0,
      "{}: a video of {} x {} at {} frames a second cannot be written (even sides are needed)",
      path.string(), options.width, options.height, options.fps);
  impl_->path = path;
  impl_->open(options);
  const auto& encoder = *impl_->encoder;
  // The flags keep the colours the same on every machine.
  impl_->scaler.reset(sws_getContext(
      encoder.width, encoder.height, AV_PIX_FMT_RGB24, encoder.width, encoder.height,
      encoder.pix_fmt, SWS_BICUBIC | SWS_BITEXACT | SWS_ACCURATE_RND, nullptr, nullptr, nullptr));
  AVFrame& picture = *impl_->picture;
  picture.width = encoder.width;
  picture.height = encoder.height;
  picture.format = encoder.pix_fmt;
  picture.quality = encoder.global_quality;
  picture.pts = 0;
  const auto pixels = static_cast<size_t>(encoder.width) * static_cast<size_t>(encoder.height);
  impl_->padded.resize(3 * pixels + AV_INPUT_BUFFER_PADDING_SIZE);
  impl_->require(impl_->scaler && av_frame_get_buffer(&picture, 0) >= 0);
}

Writer::~Writer() = default;

void Writer::add(const uint8_t* rgb) {
  AVFrame& picture = *impl_->picture;
  std::copy_n(rgb, impl_->padded.size() - AV_INPUT_BUFFER_PADDING_SIZE, impl_->padded.begin());
  const uint8_t* const from[] = {impl_->padded.data()};
  const int strides[] = {3 * picture.width};
  impl_->require(av_frame_make_writable(&picture) >= 0);
  sws_scale(impl_->scaler.get(), from, strides, 0, picture.height, picture.data, picture.linesize);
  impl_->encode(&picture);
  ++picture.pts;
}

void Writer::close() {
  impl_->encode(nullptr);
  impl_->require(av_write_trailer(impl_->file.get()) >= 0);
  // A full disk may show only here.
  const bool whole = impl_->file->pb->error >= 0;
  impl_->require(avio_closep(&impl_->file->pb) >= 0 && whole);
}

}  // namespace vtr::video
