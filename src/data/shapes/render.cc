#include "shapes/render.h"

#include "vtr/video/writer.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vtr::data {
namespace {

using Points = std::vector<cv::Point2d>;
constexpr double kTurn = 2 * std::numbers::pi;

constexpr int kColours[][3] = {{222, 40, 40},  {40, 175, 60},  {45, 75, 225},   {245, 225, 40},
                               {165, 55, 200}, {250, 140, 25}, {245, 245, 245}, {12, 12, 12}};

// What moves on the picture, in pixels and frames.
struct Event {
  int64_t begin = 0, frames = 0;
  Object object;
  cv::Point2d from, to;
  double radius = 0, angle = 0, spin = 0;  // spin in radians a frame
  cv::Scalar colour;
};

// Points on circles of the radii given in turn, the first at the top.
Points corners(int count, std::initializer_list<double> radii, double stretch = 1) {
  Points points;
  for (int i = 0; i < count; ++i) {
    const double radius = *(radii.begin() + static_cast<size_t>(i) % radii.size());
    const double angle = kTurn * i / count;
    points.emplace_back(radius * std::sin(angle), -radius * stretch * std::cos(angle));
  }
  return points;
}

Points heart() {
  Points points;
  for (int i = 0; i < 40; ++i) {
    const double t = kTurn * i / 40;
    const double y = 13 * std::cos(t) - 5 * std::cos(2 * t) - 2 * std::cos(3 * t) - std::cos(4 * t);
    points.emplace_back(std::pow(std::sin(t), 3), -(y + 2.5) / 16);
  }
  return points;
}

// Outlines of about the same area, within a circle of radius 1.2; a second outline is a hole.
std::vector<Points> outlines(int64_t shape) {
  constexpr double w = 0.36, l = 1.05;  // half the width and length of the cross's arms
  switch (shape) {
    case 0:
      return {corners(48, {0.95})};
    case 1:
      return {{{-0.84, -0.84}, {0.84, -0.84}, {0.84, 0.84}, {-0.84, 0.84}}};
    case 2:
      return {corners(3, {1.2})};
    case 3:
      return {corners(10, {1.2, 0.5})};
    case 4:
      return {{{-w, -l},
               {w, -l},
               {w, -w},
               {l, -w},
               {l, w},
               {w, w},
               {w, l},
               {-w, l},
               {-w, w},
               {-l, w},
               {-l, -w},
               {-w, -w}}};
    case 5:
      return {corners(48, {1.05}), corners(48, {0.58})};
    case 6:
      return {corners(4, {0.68}, 1.75)};  // a rhomb: no turned square
    default:
      return {heart()};
  }
}

void paint(cv::Mat& picture, const Event& event, double progress, double turned) {
  constexpr int kShift = 6;  // fillPoly's fixed point
  const cv::Point2d center = event.from + progress * (event.to - event.from);
  const double c = std::cos(event.angle + turned), s = std::sin(event.angle + turned);
  std::vector<std::vector<cv::Point>> polygons;
  for (const auto& outline : outlines(event.object.shape)) {
    auto& polygon = polygons.emplace_back();
    for (const auto& p : outline) {
      const cv::Point2d at =
          center + event.radius * cv::Point2d(c * p.x - s * p.y, s * p.x + c * p.y);
      polygon.emplace_back(cv::saturate_cast<int>(at.x * (1 << kShift)),
                           cv::saturate_cast<int>(at.y * (1 << kShift)));
    }
  }
  cv::fillPoly(picture, polygons, event.colour, cv::LINE_AA, kShift);
}

// Smooth noise: random values on a coarse grid, interpolated.
cv::Mat noise(cv::Size size, int cell, double strength, Rng& rng) {
  cv::Mat grid(size.height / cell + 2, size.width / cell + 2, CV_32FC3), wide;
  for (int y = 0; y < grid.rows; ++y) {
    for (int x = 0; x < grid.cols; ++x) {
      const double grey = rng.uniform(-strength, strength);  // mostly grey, a little tinted
      for (int i = 0; i < 3; ++i) {
        const double tint = rng.uniform(-strength, strength) * 0.35;
        grid.at<cv::Vec3f>(y, x)[i] = static_cast<float>(grey + tint);
      }
    }
  }
  cv::resize(grid, wide, cv::Size(grid.cols * cell, grid.rows * cell), 0, 0, cv::INTER_LINEAR);
  return wide(cv::Rect(cv::Point(0, 0), size)).clone();
}

// A slanted gradient under coarse and fine noise, in low contrast around a middle grey.
cv::Mat background(cv::Size size, Rng& rng) {
  cv::Mat picture(size, CV_32FC3);
  cv::Vec3f base;
  const double grey = rng.uniform(95, 150);
  for (int i = 0; i < 3; ++i) base[i] = static_cast<float>(grey + rng.uniform(-14, 14));
  const double angle = rng.uniform(0, kTurn), slope = rng.uniform(0, 40) / size.width;
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const double along =
          (x - size.width / 2) * std::cos(angle) + (y - size.height / 2) * std::sin(angle);
      picture.at<cv::Vec3f>(y, x) = base + cv::Vec3f::all(static_cast<float>(along * slope));
    }
  }
  const int unit = std::max(2, size.height / 12);
  picture += noise(size, 3 * unit, 22, rng);
  picture += noise(size, unit, 14, rng);
  picture += noise(size, std::max(1, unit / 3), 9, rng);
  cv::Mat bytes;
  picture.convertTo(bytes, CV_8UC3);
  return bytes;
}

int64_t frames_of(double seconds, double spread, const ShapesOptions& options, Rng& rng) {
  const double drawn = seconds * rng.uniform(1 - spread, 1 + spread);
  return std::llround(drawn * static_cast<double>(options.fps));
}

// The path stays within the central square, which a centre crop keeps.
Event plan_event(const Object& object, double seconds, const ShapesOptions& options, Rng& rng) {
  const auto side = static_cast<double>(std::min(options.width, options.height));
  const cv::Point2d middle(static_cast<double>(options.width) / 2,
                           static_cast<double>(options.height) / 2);
  Event event;
  event.object = object;
  event.radius = side * rng.uniform(0.16, 0.22);
  const double reach = side / 2 - 1.1 * event.radius;
  const auto place = [&] {
    return middle + cv::Point2d(rng.uniform(-reach, reach), rng.uniform(-reach, reach));
  };
  event.from = place();
  event.to = place();
  while (cv::norm(event.to - event.from) < 0.2 * side) event.to = place();
  event.angle = rng.uniform(-0.3, 0.3);
  event.spin = rng.uniform(-0.6, 0.6) / static_cast<double>(options.fps);
  for (int i = 0; i < 3; ++i) event.colour[i] = kColours[object.colour][i] + rng.uniform(-14, 14);
  event.frames =
      options.stills ? 1 : std::max<int64_t>(1, frames_of(seconds, 1.0 / 6, options, rng));
  return event;
}

// The events in their order, glimpses anywhere among them, with empty stretches before, between and
// after; `total` frames in all.
std::vector<Event> plan_events(const Story& story, const ShapesOptions& options, Rng& rng,
                               int64_t& total) {
  std::vector<Event> events;
  const auto gap = [&] {
    return options.stills ? 0 : frames_of(options.gap_seconds, 1.0 / 3, options, rng);
  };
  std::vector<std::pair<Object, double>> shown;
  for (const auto& object : story.objects) shown.emplace_back(object, options.event_seconds);
  for (const auto& object : story.glimpses) {
    const auto place = static_cast<int64_t>(rng.below(shown.size() + 1));
    shown.emplace(shown.begin() + place, object, options.glimpse_seconds);
  }
  total = gap();
  for (const auto& [object, seconds] : shown) {
    Event event = plan_event(object, seconds, options, rng);
    event.begin = total;
    total += event.frames + gap();
    events.push_back(event);
  }
  return events;
}

}  // namespace

double render_video(const fs::path& path, const Story& story, const ShapesOptions& options,
                    uint64_t seed) {
  Rng rng(seed);
  int64_t total = 0;
  const auto events = plan_events(story, options, rng, total);
  const cv::Size size(static_cast<int>(options.width), static_cast<int>(options.height));
  const cv::Mat empty = background(size, rng);
  const auto fps = static_cast<double>(options.fps);
  video::Writer writer(path, {.width = options.width, .height = options.height, .fps = fps});
  cv::Mat picture;
  for (int64_t frame = 0; frame < total; ++frame) {
    empty.copyTo(picture);
    for (const auto& event : events) {
      const auto at = static_cast<double>(frame - event.begin);
      if (at < 0 || frame >= event.begin + event.frames) continue;
      paint(picture, event, at / static_cast<double>(std::max<int64_t>(1, event.frames - 1)),
            at * event.spin);
    }
    writer.add(picture.data);
  }
  writer.close();
  return static_cast<double>(total) / fps;
}

}  // namespace vtr::data
