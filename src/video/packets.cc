#include "packets.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

namespace vtr::video {

namespace {

// AVI says when a frame is decoded and not when it is shown. Those of H.264 say so themselves: each
// has its place, counted from the last refresh.
class PictureOrder {
 public:
  explicit PictureOrder(const AVCodecParameters& stream)
      : context_(avcodec_alloc_context3(nullptr)), parser_(av_parser_init(stream.codec_id)) {
    VTR_ASSERT(context_ && parser_);
    avcodec_parameters_to_context(context_.get(), &stream);
    parser_->flags |= PARSER_FLAG_COMPLETE_FRAMES;
  }

  void add(const AVPacket& packet) {
    uint8_t* data = nullptr;
    int size = 0;
    av_parser_parse2(parser_.get(), context_.get(), &data, &size, packet.data, packet.size,
                     AV_NOPTS_VALUE, AV_NOPTS_VALUE, -1);
    const int place = parser_->output_picture_number;
    if (places_.empty() || ((packet.flags & AV_PKT_FLAG_KEY) && place <= last_)) {
      ++refreshes_;
      last_ = place;
    }
    last_ = std::max(last_, place);
    places_.emplace_back(refreshes_, place);
  }

  // The frame shown i-th gets the i-th time at which one is decoded: that is the rate, with its
  // gaps. False where the times or places do not make an order.
  bool stamp(std::vector<Packet>& packets) const {
    const auto unordered = [](const Packet& a, const Packet& b) {
      return a.dts == AV_NOPTS_VALUE || a.dts >= b.dts;
    };
    if (std::adjacent_find(packets.begin(), packets.end(), unordered) != packets.end())
      return false;
    std::vector<size_t> shown(packets.size());
    std::iota(shown.begin(), shown.end(), size_t{0});
    std::sort(shown.begin(), shown.end(),
              [&](size_t a, size_t b) { return places_[a] < places_[b]; });
    for (size_t i = 0; i < shown.size(); ++i) {
      if (i > 0 && places_[shown[i - 1]] == places_[shown[i]]) return false;
      packets[shown[i]].pts = packets[i].dts;
    }
    return true;
  }

 private:
  struct Close {
    void operator()(AVCodecParserContext* p) const { av_parser_close(p); }
  };
  Owned<AVCodecContext> context_;
  std::unique_ptr<AVCodecParserContext, Close> parser_;
  std::vector<std::pair<int64_t, int>> places_;
  int64_t refreshes_ = 0;
  int last_ = 0;
};

// Sorts the packets by time; whether each has one of its own.
bool sort_by_pts(Packets& packets) {
  const auto pts = [&](int64_t i) { return packets.all[static_cast<size_t>(i)].pts; };
  std::sort(packets.by_pts.begin(), packets.by_pts.end(),
            [&](int64_t a, int64_t b) { return pts(a) < pts(b); });
  return std::adjacent_find(packets.by_pts.begin(), packets.by_pts.end(),
                            [&](int64_t a, int64_t b) { return pts(a) == pts(b); }) ==
         packets.by_pts.end();
}

}  // namespace

Packets read_packets(Input& input) {
  Packets packets;
  const Owned<AVPacket> packet(av_packet_alloc());
  const auto& codec = *input.stream().codecpar;
  std::optional<PictureOrder> places;
  std::vector<bool> shown;
  packets.stamped = true;
  while (input.read(*packet)) {
    packets.stamped &= packet->pts != AV_NOPTS_VALUE;
    if (packets.all.empty() && !packets.stamped && codec.codec_id == AV_CODEC_ID_H264) {
      places.emplace(codec);
    }
    if (places) places->add(*packet);
    // What an edit list cuts away is decoded for the sake of others and not shown.
    shown.push_back(!(packet->flags & AV_PKT_FLAG_DISCARD));
    packets.by_pts.push_back(std::ssize(packets.all));
    packets.all.push_back(
        {packet->pts, packet->dts, packet->duration, (packet->flags & AV_PKT_FLAG_KEY) != 0});
  }
  const bool known = packets.stamped || (places && places->stamp(packets.all));
  packets.timed = known && sort_by_pts(packets);
  std::copy_if(packets.by_pts.begin(), packets.by_pts.end(), std::back_inserter(packets.order),
               [&](int64_t i) { return shown[static_cast<size_t>(i)]; });
  return packets;
}

int64_t Packets::find(const AVPacket& packet) const {
  if (!stamped) {  // then `all` ascends in dts
    const auto at = std::lower_bound(all.begin(), all.end(), packet.dts,
                                     [](const Packet& p, int64_t dts) { return p.dts < dts; });
    return at != all.end() && at->dts == packet.dts ? at - all.begin() : -1;
  }
  const auto at = std::lower_bound(
      by_pts.begin(), by_pts.end(), packet.pts,
      [&](int64_t i, int64_t pts) { return all[static_cast<size_t>(i)].pts < pts; });
  return at != by_pts.end() && all[static_cast<size_t>(*at)].pts == packet.pts ? *at : -1;
}

Timeline timeline(const Packets& packets, const Input& input) {
  Timeline result{.seconds = {}, .fps = input.fps()};
  for (const int64_t i : packets.order) {
    const auto& packet = packets.all[static_cast<size_t>(i)];
    const auto& first = packets.all[static_cast<size_t>(packets.order[0])];
    result.seconds.push_back(packets.timed ? input.seconds(first.pts, packet.pts)
                                           : input.even_seconds(std::ssize(result.seconds)));
  }
  return result;
}

std::vector<Run> plan_runs(const Packets& packets, const std::vector<int64_t>& wanted) {
  std::vector<Run> runs;
  for (const int64_t frame : wanted) {
    const int64_t at = packets.order[static_cast<size_t>(frame)];
    const int64_t pts = packets.all[static_cast<size_t>(at)].pts;
    // A frame that is decoded after a key frame and shown before it may need what is before that.
    int64_t begin = at;
    const auto starts = [&](const Packet& packet) { return packet.key && packet.pts <= pts; };
    while (begin > 0 && !starts(packets.all[static_cast<size_t>(begin)])) --begin;
    runs.push_back({begin, at + 1});
  }
  std::sort(runs.begin(), runs.end(), [](Run a, Run b) { return a.begin < b.begin; });
  std::vector<Run> merged;
  for (const Run run : runs) {
    if (!merged.empty() && run.begin < merged.back().end) {
      merged.back().end = std::max(merged.back().end, run.end);
    } else {
      merged.push_back(run);
    }
  }
  return merged;
}

}  // namespace vtr::video
