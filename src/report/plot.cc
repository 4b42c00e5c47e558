#include "vtr/report/plot.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>

namespace vtr::report {
namespace {

constexpr double kWidth = 720, kPlotHeight = 300, kLeft = 66, kRight = 24, kBottom = 56;
constexpr double kTitleHeight = 40, kLegendRow = 22, kLetter = 7.2;  // a letter's mean width
constexpr size_t kMarkedPoints = 50;  // of a longer series only the line is drawn

// Okabe and Ito's hues, darkened for white paper and lightened for black.
constexpr const char* kStyle = R"(<style>
.vtr-plot{--ink:var(--plot-ink,#1f2328);--paper:var(--plot-paper,#fff);--grid:var(--plot-grid,#d8dee4);
--s0:#0072b2;--s1:#c14e00;--s2:#00795a;--s3:#a0457f;--s4:#7d6800;--s5:#56606b;--s6:#3f3fbf;--s7:#b3261e;
font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media(prefers-color-scheme:dark){.vtr-plot{--ink:var(--plot-ink,#e6edf3);--paper:var(--plot-paper,#0d1117);
--grid:var(--plot-grid,#30363d);--s0:#56b4e9;--s1:#f0903a;--s2:#2dc79a;--s3:#e58cc0;--s4:#e5d44a;--s5:#aab4be;
--s6:#a5a5ff;--s7:#ff8f87}}
.vtr-plot text{fill:var(--ink)}
.vtr-plot .paper{fill:var(--paper)}
.vtr-plot .grid{stroke:var(--grid)}
.vtr-plot .axis{stroke:var(--ink);stroke-width:1.2}
.vtr-plot .title{font-size:16px;font-weight:600}
.vtr-plot .line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.vtr-plot .bar{fill:none;stroke-width:1.4}
.vtr-plot .dashed{stroke-dasharray:7 5}
</style>)";
constexpr size_t kColours = 8;

// Around (0, 0).
constexpr std::array<const char*, 4> kMarkers = {
    "M-4.2,0a4.2,4.2 0 1,0 8.4,0a4.2,4.2 0 1,0 -8.4,0z", "M-3.8,-3.8h7.6v7.6h-7.6z",
    "M0,-4.9L4.7,3.6H-4.7z", "M0,-5.4L5.4,0L0,5.4L-5.4,0z"};

struct Axis {
  double low = std::numeric_limits<double>::infinity(), high = -low;  // of the values, then drawn
  double from = 0, to = 1;                                            // in the picture
  std::vector<double> ticks = {};
  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  double place(double value) const { return from + (to - from) * (value - low) / (high - low); }
};

// Values may be none at all, or all the same.
void widen(Axis& axis) {
  if (axis.low > axis.high) axis.low = axis.high = 0;
  if (axis.low < axis.high) return;
  const double half = axis.low == 0 ? 1 : std::abs(axis.low) / 10;
  axis.low -= half;
  axis.high += half;
}

// Multiples of 1, 2 or 5 times a power of ten: about five from below the values to above them.
void round_ticks(Axis& axis) {
  const double rough = (axis.high - axis.low) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5, 2, 1}) {
    if (factor * power >= rough * 0.999) step = factor * power;
  }
  const double first = std::floor(axis.low / step + 1e-9);
  const double last = std::ceil(axis.high / step - 1e-9);
  for (double i = first; i <= last; ++i) axis.ticks.push_back(i * step);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
}

Axis y_axis(const Plot& plot) {
  Axis axis;
  for (const auto& series : plot.series) {
    for (const auto* values : {&series.y, &series.low, &series.high}) {
      for (const double value : *values) axis.take(value);
    }
  }
  widen(axis);
  round_ticks(axis);
  return axis;
}

// Its ticks are the values themselves where they are few and apart.
Axis x_axis(const Plot& plot) {
  Axis axis{.from = kLeft, .to = kWidth - kRight};
  std::set<double> values;
  for (size_t i = 0; i < plot.categories.size(); ++i) values.insert(static_cast<double>(i));
  for (const auto& series : plot.series) {
    std::copy_if(series.x.begin(), series.x.end(), std::inserter(values, values.end()),
                 [](double value) { return std::isfinite(value); });
  }
  for (const double value : values) axis.take(value);
  widen(axis);
  double gap = axis.high - axis.low;
  for (auto it = values.begin(); it != values.end() && std::next(it) != values.end(); ++it) {
    gap = std::min(gap, *std::next(it) - *it);
  }
  const bool few = !values.empty() && gap * 16 >= axis.high - axis.low;
  if (few || !plot.categories.empty()) {
    axis.ticks.assign(values.begin(), values.end());
    const double margin = plot.categories.empty() ? (axis.high - axis.low) * 0.03 : 0.5;
    axis.low -= margin;
    axis.high += margin;
  } else {
    round_ticks(axis);
  }
  return axis;
}

std::string number(double value) {  // -0 and 0.30000000000000004 are not for people
  return fmt::format("{:.6g}", value == 0 ? 0 : value);
}

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return fmt::format(R"(<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>)"
                     "\n",
                     kind, x1, y1, x2, y2);
}

std::string text(double x, double y, const char* attributes, const std::string& words) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" {}>{}</text>)"
                     "\n",
                     x, y, attributes, escape_xml(words));
}

constexpr const char* kMiddle = R"(text-anchor="middle")";

std::string axes(const Plot& plot, const Axis& x, const Axis& y) {
  std::string result;
  for (const double tick : y.ticks) {
    const double at = y.place(tick);
    result += line("grid", x.from, at, x.to, at);
    result += text(x.from - 8, at + 4.5, R"(text-anchor="end")", number(tick));
  }
  for (const double tick : x.ticks) {
    const auto index = static_cast<size_t>(std::max(0.0, tick));
    const bool named = index < plot.categories.size();
    result += line("axis", x.place(tick), y.from, x.place(tick), y.from + 5);
    result +=
        text(x.place(tick), y.from + 20, kMiddle, named ? plot.categories[index] : number(tick));
  }
  result += line("axis", x.from, y.from, x.to, y.from);
  result += text((x.from + x.to) / 2, y.from + 44, kMiddle, plot.x_label);
  const double middle = (y.from + y.to) / 2;
  const auto turned =
      fmt::format(R"x(text-anchor="middle" transform="rotate(-90 16 {:.1f})")x", middle);
  return result + text(16, middle, turned.c_str(), plot.y_label);
}

std::string colour(size_t index) { return fmt::format("var(--s{})", index % kColours); }

std::string marker(size_t index, double x, double y, const std::string& says) {
  return fmt::format(R"x(<path d="{}" transform="translate({:.1f} {:.1f})" fill="{}">)x"
                     "<title>{}</title></path>\n",
                     kMarkers[index % kMarkers.size()], x, y, colour(index), escape_xml(says));
}

std::string path(const char* kind, size_t index, const std::string& data) {
  return fmt::format(R"(<path class="{}" stroke="{}" d="{}"/>)"
                     "\n",
                     kind, colour(index), data);
}

std::string draw(const Plot& plot, size_t index, const Axis& x, const Axis& y) {
  const Series& s = plot.series[index];
  std::string way, bars, points;
  bool pen_down = false;
  for (size_t i = 0; i < s.x.size(); ++i) {
    const bool there = std::isfinite(s.y[i]) && std::isfinite(s.x[i]);
    if (there) {
      const double px = x.place(s.x[i]), py = y.place(s.y[i]);
      way += fmt::format("{}{:.1f},{:.1f}", pen_down ? "L" : "M", px, py);
      std::string says = fmt::format("{}: {}", s.name, number(s.y[i]));
      if (!s.low.empty() && std::isfinite(s.low[i]) && std::isfinite(s.high[i])) {
        bars += fmt::format("M{0:.1f},{2:.1f}h8m-4,0V{3:.1f}m-4,0h8", px - 4, px, y.place(s.low[i]),
                            y.place(s.high[i]));
        says += fmt::format(" [{}, {}]", number(s.low[i]), number(s.high[i]));
      }
      if (s.x.size() <= kMarkedPoints) points += marker(index, px, py, says);
    }
    pen_down = there;
  }
  return path(s.dashed ? "line dashed" : "line", index, way) +
         (bars.empty() ? "" : path("bar", index, bars)) + points;
}

// The names of the series in rows under the title; `y` ends below them.
std::string legend(const Plot& plot, double& y) {
  if (plot.series.empty()) return "";
  std::string result;
  double x = kLeft;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const auto& s = plot.series[i];
    const double width = 52 + kLetter * static_cast<double>(s.name.size());
    if (x > kLeft && x + width > kWidth - kRight) {
      x = kLeft;
      y += kLegendRow;
    }
    result += path(s.dashed ? "line dashed" : "line", i, fmt::format("M{:.1f},{:.1f}h28", x, y));
    if (s.x.size() <= kMarkedPoints) result += marker(i, x + 14, y, s.name);
    result += text(x + 36, y + 4.5, R"(text-anchor="start")", s.name);
    x += width;
  }
  y += kLegendRow;
  return result;
}

void check(const Plot& plot) {
  for (const auto& s : plot.series) {
    VTR_ASSERT(s.x.size() == s.y.size() && s.low.size() == s.high.size());
    VTR_ASSERT(s.low.empty() || s.low.size() == s.y.size());
  }
}

// Drawn from `top` down, which ends below it.
std::string panel(const Plot& plot, double& top) {
  check(plot);
  std::string result =
      text(kWidth / 2, top + 26, R"(class="title" text-anchor="middle")", plot.title);
  top += kTitleHeight + 8;
  result += legend(plot, top);
  const Axis x = x_axis(plot);
  Axis y = y_axis(plot);
  y.to = top;
  y.from = top + kPlotHeight;
  top = y.from + kBottom;
  result += axes(plot, x, y);
  for (size_t i = 0; i < plot.series.size(); ++i) result += draw(plot, i, x, y);
  return result;
}

}  // namespace

std::string escape_xml(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\t') result += c;
    }
  }
  return result;
}

std::string svg(const Plot& plot) { return svg(std::vector{plot}); }

std::string svg(const std::vector<Plot>& column) {
  std::string titles, panels;
  double height = 0;
  for (const auto& plot : column) {
    titles += (titles.empty() ? "" : "; ") + escape_xml(plot.title);
    panels += panel(plot, height);
  }
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" class="vtr-plot" role="img" aria-label="{0}" )"
      R"(viewBox="0 0 {1} {2}" width="{1}" height="{2}" style="max-width:100%;height:auto">)"
      "\n<title>{0}</title>\n{3}\n"
      R"(<rect class="paper" width="{1}" height="{2}"/>)"
      "\n{4}</svg>\n",
      titles, kWidth, height, kStyle, panels);
}

}  // namespace vtr::report
