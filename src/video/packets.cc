#include "packets.h"

#include <algorithm>
#include <iterator>

namespace vtr::video {

Packets read_packets(Input& input) {
  Packets packets;
  const Owned<AVPacket> packet(av_packet_alloc());
  packets.stamped = true;
  std::vector<bool> shown;
  while (input.read(*packet)) {
    packets.by_pts.push_back(std::ssize(packets.all));
    packets.all.push_back(
        {packet->pts, packet->dts, packet->duration, (packet->flags & AV_PKT_FLAG_KEY) != 0});
    // What an edit list cuts away is decoded for the sake of others and not shown.
    shown.push_back(!(packet->flags & AV_PKT_FLAG_DISCARD));
    packets.stamped &= packet->pts != AV_NOPTS_VALUE;
  }
  const auto pts = [&](int64_t i) { return packets.all[static_cast<size_t>(i)].pts; };
  if (packets.stamped) {
    std::sort(packets.by_pts.begin(), packets.by_pts.end(),
              [&](int64_t a, int64_t b) { return pts(a) < pts(b); });
    packets.timed = std::adjacent_find(packets.by_pts.begin(), packets.by_pts.end(),
                                       [&](int64_t a, int64_t b) { return pts(a) == pts(b); }) ==
                    packets.by_pts.end();
  }
  std::copy_if(packets.by_pts.begin(), packets.by_pts.end(), std::back_inserter(packets.order),
               [&](int64_t i) { return shown[static_cast<size_t>(i)]; });
  return packets;
}

int64_t Packets::find(int64_t pts) const {
  const auto at = std::lower_bound(
      by_pts.begin(), by_pts.end(), pts,
      [&](int64_t i, int64_t value) { return all[static_cast<size_t>(i)].pts < value; });
  return at != by_pts.end() && all[static_cast<size_t>(*at)].pts == pts ? *at : -1;
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
