#include "vtr/video/probe.h"

#include "packets.h"

#include <algorithm>
#include <cmath>

namespace vtr::video {
namespace {

// Packets from a key frame to the next, or to the end.
int64_t key_frame_distance(const Packets& packets) {
  int64_t longest = 0, distance = 0;
  for (const auto& packet : packets.all) {
    distance = packet.key ? 1 : distance + 1;
    longest = std::max(longest, distance);
  }
  return longest;
}

// A clock of milliseconds shows 30 frames a second for 33 or 34 ticks each: that is no variation.
bool variable_rate(const Timeline& times, double tick) {
  double shortest = INFINITY, longest = 0;
  for (size_t i = 1; i < times.seconds.size(); ++i) {
    const double interval = times.seconds[i] - times.seconds[i - 1];
    shortest = std::min(shortest, interval);
    longest = std::max(longest, interval);
  }
  return longest > 0 && longest - shortest > std::max(1.5 * tick, 0.01 * longest);
}

double length(const Packets& packets, const Timeline& times, const Input& input) {
  const int64_t ticks = packets.all[static_cast<size_t>(packets.order.back())].duration;
  const double last = ticks > 0 ? input.seconds(0, ticks) : times.fps > 0 ? 1 / times.fps : 0;
  return times.seconds.back() + last;
}

}  // namespace

std::string fault_name(Fault fault) {
  switch (fault) {
    case Fault::missing:
      return "missing";
    case Fault::empty:
      return "empty";
    case Fault::unreadable:
      return "unreadable";
    case Fault::no_video_stream:
      return "no video stream";
    case Fault::no_frames:
      return "no frames";
    case Fault::too_slow:
      return "too slow";
  }
  return "";
}

Info probe(const fs::path& path, double time_limit) {
  const Deadline deadline(path, time_limit);
  Input input(path, deadline);
  const Packets packets = read_packets(input);
  const Timeline times = timeline(packets, input);
  if (packets.order.empty()) {
    throw VideoError(Fault::no_frames,
                     path.string() + ": there is no frame in it (cut off? copy it again)");
  }
  const auto& stated = *input.stream().codecpar;
  const int64_t rotation = input.orientation().rotation;
  const bool upright = rotation % 180 == 0;
  return {.frames = std::ssize(packets.order),
          .fps = times.fps,
          .seconds = length(packets, times, input),
          .width = upright ? stated.width : stated.height,
          .height = upright ? stated.height : stated.width,
          .rotation = rotation,
          .key_frame_distance = key_frame_distance(packets),
          .variable_rate = packets.timed && variable_rate(times, input.seconds(0, 1)),
          .codec = avcodec_get_name(stated.codec_id)};
}

}  // namespace vtr::video
