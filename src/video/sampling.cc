#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/core/table.h"
#include "vtr/video/frames.h"

#include <algorithm>
#include <cmath>

namespace vtr::video {
namespace {

using Indices = std::vector<int64_t>;

// How long a frame is on show that no other follows.
double frame_seconds(const Timeline& times) { return times.fps > 0 ? 1 / times.fps : 1e-3; }

// floor((2i + 1) n / 2T): the middle of [i n / T, (i + 1) n / T).
Indices uniform(const Timeline& times, const Request& request) {
  const int64_t n = std::ssize(times.seconds), wanted = std::min(n, request.frames);
  Indices indices;
  for (int64_t i = 0; i < wanted; ++i) indices.push_back((2 * i + 1) * n / (2 * wanted));
  return indices;
}

// numpy's linspace(start, stop, points) cut to integers, with its rounding: i * (range / steps).
int64_t linspace(int64_t range, int64_t steps, int64_t i) {
  if (i == steps) return range;
  return static_cast<int64_t>(static_cast<double>(i) *
                              (static_cast<double>(range) / static_cast<double>(steps)));
}

// From the first to the last, both included: numpy's linspace(0, n - 1, T, dtype=int).
Indices uniform_ends(const Timeline& times, const Request& request) {
  const int64_t n = std::ssize(times.seconds), wanted = std::min(n, request.frames);
  Indices indices;
  for (int64_t i = 0; i < wanted; ++i) {
    indices.push_back(wanted == 1 ? 0 : linspace(n - 1, wanted - 1, i));
  }
  return indices;
}

// The middle as X-Pool and Frozen in Time round it: with b = linspace(0, n, T + 1) cut to integers,
// floor((b[i] + b[i + 1] - 1) / 2). The same frame as `uniform` or the one before.
Indices xpool(const Timeline& times, const Request& request) {
  const int64_t n = std::ssize(times.seconds), wanted = std::min(n, request.frames);
  Indices indices;
  for (int64_t i = 0; i < wanted; ++i) {
    indices.push_back((linspace(n, wanted, i) + linspace(n, wanted, i + 1) - 1) / 2);
  }
  return indices;
}

// Any of [floor(i n / T), floor((i + 1) n / T)), which holds a frame as T <= n.
Indices random(const Timeline& times, const Request& request) {
  const int64_t n = std::ssize(times.seconds), wanted = std::min(n, request.frames);
  Rng rng(request.seed);
  Indices indices;
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t begin = i * n / wanted, end = (i + 1) * n / wanted;
    indices.push_back(begin + static_cast<int64_t>(rng.below(static_cast<uint64_t>(end - begin))));
  }
  return indices;
}

// floor(i n / T) + o with one offset o for all, at random in [0, floor(n / T)): T equal segments as
// in TSN, the same place of each, so that the frames stay evenly spaced (TimeSformer).
Indices segments(const Timeline& times, const Request& request) {
  const int64_t n = std::ssize(times.seconds), wanted = std::min(n, request.frames);
  Rng rng(request.seed);
  const auto offset = static_cast<int64_t>(rng.below(static_cast<uint64_t>(n / wanted)));
  Indices indices;
  for (int64_t i = 0; i < wanted; ++i) indices.push_back(i * n / wanted + offset);
  return indices;
}

// Of `among`, those that `rule` takes of so many frames.
Indices thin_out(Indices (*rule)(const Timeline&, const Request&), const Indices& among,
                 const Request& request) {
  Indices indices;
  for (const int64_t i : rule({.seconds = std::vector<double>(among.size())}, request)) {
    indices.push_back(among[static_cast<size_t>(i)]);
  }
  return indices;
}

// The frames on show at 0, 1 / fps, 2 / fps, ... seconds by their timestamps, each once; of more
// than T of them, the `uniform` ones.
Indices fps(const Timeline& times, const Request& request) {
  constexpr double kEarly = 5e-4;  // timestamps are rounded: half a millisecond early is in time
  const auto& seconds = times.seconds;
  const auto beat = [&](double now) { return (now - seconds[0] - kEarly) * request.fps; };
  Indices shown;
  for (size_t i = 0; i < seconds.size(); ++i) {
    const bool last = i + 1 == seconds.size();
    const double end = last ? seconds[i] + frame_seconds(times) : seconds[i + 1];
    if (std::ceil(beat(seconds[i])) < beat(end)) shown.push_back(static_cast<int64_t>(i));
  }
  return thin_out(uniform, shown, request);
}

// CLIP4Clip's frames of each second: 0, f, 2f, ... with f the stated rate cut to an integer (29.97
// is 29); of more than T of them, the `uniform_ends` ones. It takes the container's word for n.
Indices clip4clip(const Timeline& times, const Request& request) {
  const auto n = std::ssize(times.seconds);
  const auto rate = std::max<int64_t>(1, static_cast<int64_t>(std::min(times.fps, 1e6)));
  Indices each_second;
  for (int64_t index = 0; index < n; index += rate) each_second.push_back(index);
  return thin_out(uniform_ends, each_second, request);
}

struct Rule {
  std::string name;
  Indices (*choose)(const Timeline& times, const Request& request);  // of n >= 1 frames
  bool random = false;
};

const Table<Rule>& rules() {
  static const Table<Rule> table("sampling rule", {{"uniform", uniform},
                                                   {"uniform_ends", uniform_ends},
                                                   {"xpool", xpool},
                                                   {"random", random, true},
                                                   {"segments", segments, true},
                                                   {"fps", fps},
                                                   {"clip4clip", clip4clip}});
  return table;
}

}  // namespace

config::Limits sampling_rules() { return config::one_of(rules().names()); }

bool picks_at_random(const Request& request) { return rules().find(request.sampling).random; }

bool changes_pictures(const Request& request) {
  return request.crop != "center" || request.flip > 0 || request.jitter.any();
}

bool is_random(const Request& request) {
  return picks_at_random(request) || changes_pictures(request);
}

std::vector<int64_t> sample_indices(const Timeline& times, const Request& request) {
  const auto& rule = rules().find(request.sampling);
  const auto& seconds = times.seconds;
  if (seconds.empty()) return {};
  auto begin = std::lower_bound(seconds.begin(), seconds.end(), request.start);
  const auto end =
      request.end > 0 ? std::lower_bound(begin, seconds.end(), request.end) : seconds.end();
  // Between two frames the earlier one is on show.
  const bool over = end == seconds.end() && request.start >= seconds.back() + frame_seconds(times);
  if (begin == end && begin != seconds.begin() && !over) --begin;
  if (begin == end) return {};
  Indices indices = rule.choose({.seconds = {begin, end}, .fps = times.fps}, request);
  for (auto& index : indices) index += begin - seconds.begin();
  return indices;
}

}  // namespace vtr::video
