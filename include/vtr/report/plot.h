// A line chart as SVG, for a file or inlined in a page. Of our own, as no C++ library for it is
// among the distribution's packages. It scales, follows a light or dark scheme, and keeps apart
// eight series by colour (also for the colour-blind) and by marker. It has no ids, so that a page
// may hold several; a page may set its own --plot-ink, --plot-paper and --plot-grid.
//
//   write_file("r1.svg", svg({.title = "R@1 over K", .x_label = "K", .y_label = "R@1",
//                             .series = {{.name = "topk", .x = {1, 2}, .y = {41.5, 43.4}}}}));
#pragma once

#include <string>
#include <vector>

namespace vtr::report {

struct Series {
  std::string name;
  std::vector<double> x = {}, y = {};  // of one size; where y is not finite, the line has a gap
  std::vector<double> low = {}, high = {};  // ends of the error bars: none, or one for each y
  bool dashed = false;
};

struct Plot {
  std::string title, x_label, y_label;
  std::vector<std::string> categories = {};  // names of x = 0, 1, ...; empty: x is a number
  std::vector<Series> series = {};
};

std::string svg(const Plot& plot);
std::string svg(const std::vector<Plot>& column);  // one below the other, in one picture

// For XML and HTML, in text and in attributes; characters that XML forbids are left out.
std::string escape_xml(const std::string& text);

}  // namespace vtr::report
