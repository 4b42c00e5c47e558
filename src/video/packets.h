// What a pass over a file's packets tells without decoding: how many frames there are and when,
// whatever the container states.
#pragma once

#include "input.h"

#include "vtr/video/frames.h"

#include <cstdint>
#include <vector>

namespace vtr::video {

struct Packet {
  int64_t pts = 0, dts = 0, duration = 0;  // ticks; AV_NOPTS_VALUE where not known
  bool key = false;
};

struct Packets {
  std::vector<Packet> all;      // in decoding order
  std::vector<int64_t> by_pts;  // of `all`, ascending
  std::vector<int64_t> order;   // the packet of each frame in the order they are shown
  bool stamped = false;         // the file says of every packet when it is shown
  bool timed = false;           // that is known, and each has a time of its own
  // Which packet this is, or -1; of `timed` packets.
  int64_t find(const AVPacket& packet) const;
};

// Reads `input` to its end.
Packets read_packets(Input& input);

// Of `timed` packets; else evenly spaced, one a packet.
Timeline timeline(const Packets& packets, const Input& input);

// Packets to decode for some frames, [begin, end) in decoding order, begin a key frame.
struct Run {
  int64_t begin = 0, end = 0;
};
// The runs that give the frames `wanted`, ascending and apart.
std::vector<Run> plan_runs(const Packets& packets, const std::vector<int64_t>& wanted);

}  // namespace vtr::video
