#include "input.h"

namespace vtr::video {
namespace {

// Whether the decoder, given a packet (null: what is left inside), finds fault with it or with a
// picture that comes out.
bool finds_fault(AVCodecContext& decoder, const AVPacket* packet, AVFrame& picture) {
  bool fault = avcodec_send_packet(&decoder, packet) < 0;
  while (true) {
    const int result = avcodec_receive_frame(&decoder, &picture);
    if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return fault;
    fault |= result < 0 || picture.decode_error_flags != 0;
    if (result < 0) return fault;
  }
}

}  // namespace

int64_t count_damage(const fs::path& path, double time_limit) {
  const Deadline deadline(path, time_limit);
  Input input(path, deadline);
  const auto decoder = input.decoder();
  decoder->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
  const Owned<AVPacket> packet(av_packet_alloc());
  const Owned<AVFrame> picture(av_frame_alloc());
  int64_t damaged = 0;
  while (input.read(*packet)) damaged += finds_fault(*decoder, packet.get(), *picture);
  return damaged + finds_fault(*decoder, nullptr, *picture);
}

}  // namespace vtr::video
