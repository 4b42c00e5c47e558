#include "decode.h"

#include "packets.h"
#include "transform.h"

#include "vtr/core/error.h"
#include "vtr/video/frames.h"

#include <algorithm>
#include <limits>

namespace vtr::video {
namespace {

// The sampled frames on their way into place. Each is known by a number: its time or its index.
class Collector {
 public:
  Collector(const fs::path& path, const Request& request, Orientation orientation)
      : path_(path), request_(request), transform_(request, orientation) {}

  // The numbers of the frames that are wanted from now on, ascending.
  void want(std::vector<int64_t> numbers) {
    numbers_ = std::move(numbers);
    taken_.assign(numbers_.size(), false);
  }
  bool wants(int64_t number) const { return slot(number) < numbers_.size(); }
  void take(int64_t number, const AVFrame& picture) {
    const size_t i = slot(number);
    if (i < numbers_.size()) taken_[i] = put(i, picture);
  }
  bool complete() const { return std::find(taken_.begin(), taken_.end(), false) == taken_.end(); }

  Frames finish(const Timeline& times, const std::vector<int64_t>& indices) {
    frames_.valid = std::ssize(indices);
    for (int64_t i = 0; i < request_.frames; ++i) {
      const int64_t from = std::min(i, frames_.valid - 1);
      if (from < i) {
        std::copy_n(&frames_.pixels[static_cast<size_t>(from) * size_], size_,
                    &frames_.pixels[static_cast<size_t>(i) * size_]);
      }
      const int64_t index = indices[static_cast<size_t>(from)];
      frames_.indices.push_back(index);
      frames_.seconds.push_back(static_cast<float>(
          std::max(0.0, times.seconds[static_cast<size_t>(index)] - request_.start)));
    }
    return std::move(frames_);
  }

 private:
  bool put(size_t i, const AVFrame& picture) {
    if (!transform_.load(picture)) return false;
    const int64_t height = transform_.height(), width = transform_.width();
    if (size_ == 0) {
      frames_.height = height;
      frames_.width = width;
      size_ = static_cast<size_t>(3 * height * width);
      frames_.pixels.resize(static_cast<size_t>(request_.frames) * size_);
    }
    VTR_CHECK(height == frames_.height && width == frames_.width,
              "{}: its pictures change their shape, and whole frames must have one",
              path_.string());
    transform_.store(&frames_.pixels[i * size_]);
    return true;
  }
  // Where a frame goes that is wanted and not there yet, else past the end.
  size_t slot(int64_t number) const {
    const auto at = std::lower_bound(numbers_.begin(), numbers_.end(), number);
    const auto i = static_cast<size_t>(at - numbers_.begin());
    return at != numbers_.end() && *at == number && !taken_[i] ? i : numbers_.size();
  }

  const fs::path& path_;
  const Request& request_;
  Transform transform_;
  std::vector<int64_t> numbers_;
  std::vector<bool> taken_;
  Frames frames_;
  size_t size_ = 0;  // bytes of a frame
};

// Decodes a packet (null: what is left inside) and calls take(picture) for whatever comes out.
template <class Take>
void decode(AVCodecContext& decoder, const AVPacket* packet, AVFrame& picture, Take take) {
  avcodec_send_packet(&decoder, packet);  // what cannot be decoded gives no picture
  while (true) {
    const int result = avcodec_receive_frame(&decoder, &picture);
    if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return;
    if (result >= 0) take(picture);
  }
}

// Whether pictures that no other refers to are known as such before they are decoded, so that
// leaving them out changes no other. (HEVC's may be referred to from a higher layer.)
bool skips_exactly(AVCodecID codec) {
  return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_MPEG4 ||
         codec == AV_CODEC_ID_MPEG2VIDEO || codec == AV_CODEC_ID_MPEG1VIDEO ||
         codec == AV_CODEC_ID_VP8;
}

// Decodes runs of packets only and takes the frames by their times.
class RunDecoder {
 public:
  // `input` stands at its end.
  RunDecoder(Input& input, const Packets& packets, Collector& collector)
      : input_(input),
        packets_(packets),
        collector_(collector),
        decoder_(input.decoder()),
        skips_(skips_exactly(decoder_->codec_id)),
        position_(std::ssize(packets.all)) {}

  // False where the file does not give what its packets promised.
  bool take(const Run& run) {
    if (!decode(run)) return false;
    // After a key frame that is no full refresh the decoder keeps the first pictures back until
    // others have come out.
    const int64_t end = std::min(run.end + kMore, std::ssize(packets_.all));
    return has(run) || (decode({run.begin, end}) && has(run));
  }

 private:
  static constexpr int64_t kReadOn = 8;  // so few packets are read and dropped, not sought over
  static constexpr int64_t kMore = 20;   // more than H.264 lets a decoder hold

  int64_t pts(int64_t i) const { return packets_.all[static_cast<size_t>(i)].pts; }

  bool has(const Run& run) const {
    for (int64_t i = run.begin; i < run.end; ++i) {
      if (collector_.wants(pts(i))) return false;
    }
    return true;
  }

  bool decode(const Run& run) {
    const auto take = [&](const AVFrame& p) { collector_.take(p.pts, p); };
    if (!go_to(run.begin)) return false;
    while (position_ < run.end) {
      if (!input_.read(*packet_)) return false;
      const int64_t at = packets_.find(*packet_);
      if (at < 0 || (position_ < 0 ? at > run.begin : at != position_)) return false;
      position_ = at + 1;
      if (at < run.begin) continue;
      packet_->pts = pts(at);
      decoder_->skip_frame =
          skips_ && !collector_.wants(pts(at)) ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
      video::decode(*decoder_, packet_.get(), *picture_, take);
    }
    video::decode(*decoder_, nullptr, *picture_, take);
    avcodec_flush_buffers(decoder_.get());
    return true;
  }

  bool go_to(int64_t packet) {
    if (position_ <= packet && packet - position_ <= kReadOn) return true;
    const auto& there = packets_.all[static_cast<size_t>(packet)];
    position_ = -1;
    return input_.seek(there.dts == AV_NOPTS_VALUE ? there.pts : there.dts);
  }

  Input& input_;
  const Packets& packets_;
  Collector& collector_;
  const Owned<AVCodecContext> decoder_;
  const bool skips_;
  const Owned<AVPacket> packet_{av_packet_alloc()};
  const Owned<AVFrame> picture_{av_frame_alloc()};
  int64_t position_;  // of the packet that is read next; -1: not known
};

// Decodes what the frames `indices` need. False where the packets do not tell, or not the truth.
bool decode_needed(Input& input, const Packets& packets, const std::vector<int64_t>& indices,
                   Collector& collector) {
  if (!packets.timed) return false;
  std::vector<int64_t> pts;
  for (const int64_t i : indices) {
    pts.push_back(packets.all[static_cast<size_t>(packets.order[static_cast<size_t>(i)])].pts);
  }
  collector.want(std::move(pts));
  RunDecoder decoder(input, packets, collector);
  const auto runs = plan_runs(packets, indices);
  return std::all_of(runs.begin(), runs.end(), [&](const Run& run) { return decoder.take(run); });
}

// Decodes everything, taking frames by their index, and says when each is shown: the road for files
// whose packets do not tell, or tell what is not so.
Timeline decode_all(const fs::path& path, const Deadline& deadline, bool stamped,
                    Collector& collector) {
  Input input(path, deadline);
  const auto decoder = input.decoder();
  const Owned<AVPacket> packet(av_packet_alloc());
  const Owned<AVFrame> picture(av_frame_alloc());
  Timeline times{.seconds = {}, .fps = input.fps()};
  int64_t first = AV_NOPTS_VALUE;
  double later = 0;  // than stated: what follows where the times start again
  const auto take = [&](const AVFrame& p) {
    const auto index = std::ssize(times.seconds);
    collector.take(index, p);
    const int64_t now = p.best_effort_timestamp;
    if (first == AV_NOPTS_VALUE) first = now;
    const double last = index > 0 ? times.seconds.back() : 0;
    const bool known = stamped && now != AV_NOPTS_VALUE;
    double shown = known ? input.seconds(first, now) : input.even_seconds(index);
    if (known) {
      if (shown >= last) {
        later = 0;  // no new start, or a single wrong time is past
      } else if (shown + later < last) {
        later = last + input.even_seconds(1) - shown;
      }
      shown += later;
    }
    times.seconds.push_back(std::max(last, shown));
  };
  while (input.read(*packet)) decode(*decoder, packet.get(), *picture, take);
  decode(*decoder, nullptr, *picture, take);
  return times;
}

void require_frames(const fs::path& path, bool any, const Timeline& times, const Request& request) {
  if (times.seconds.empty()) {
    throw VideoError(Fault::no_frames, path.string() +
                                           ": no frame can be decoded (cut off or corrupt? copy it "
                                           "again)");
  }
  if (!any) {
    throw VideoError(
        Fault::no_frames,
        fmt::format("{}: no frame from {} s on, it ends at {:.2f} s (check the annotation)",
                    path.string(), request.start, times.seconds.back()));
  }
}

}  // namespace

Frames read_frames(const fs::path& path, const Request& request) {
  return read_frames(path, request, Road::any);
}

Frames read_frames(const fs::path& path, const Request& request, Road road) {
  const Deadline deadline(path, request.time_limit);
  Input input(path, deadline);
  const Packets packets = read_packets(input);
  Timeline times = timeline(packets, input);
  std::vector<int64_t> indices = sample_indices(times, request);
  require_frames(path, !indices.empty(), times, request);
  Collector collector(path, request, input.orientation());
  if (road != Road::full && decode_needed(input, packets, indices, collector)) {
    return collector.finish(times, indices);
  }
  VTR_ASSERT(road != Road::needed);
  // Mostly the first attempt does: there is a frame a packet.
  for (int attempt = 0; attempt < 2; ++attempt) {
    collector.want(indices);
    times = decode_all(path, deadline, packets.stamped, collector);
    const auto there = sample_indices(times, request);
    require_frames(path, !there.empty(), times, request);
    if (there == indices && collector.complete()) return collector.finish(times, indices);
    indices = there;
  }
  throw VideoError(Fault::no_frames,
                   path.string() + ": a frame cannot be converted (corrupt? copy it again)");
}

}  // namespace vtr::video
