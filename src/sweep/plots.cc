#include "plots.h"

#include "vtr/eval/paper.h"
#include "vtr/report/plot.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace vtr::sweep {
namespace {

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Along the axis: the values of the swept option in their order, as numbers where all of them are.
struct Places {
  std::vector<std::string> names;
  bool numbers = true;
  explicit Places(const std::vector<Group>& groups, const std::string& x) {
    for (const auto& group : groups) {
      const std::string name = of(*group.cell, x);
      if (std::ranges::count(names, name) == 0) names.push_back(name);
      numbers = numbers && number(name);
    }
  }
  static std::string of(const Cell& cell, const std::string& x) {
    return std::ranges::find(cell.settings, x, &Setting::option)->value;
  }
  std::optional<double> place(const std::string& name) const {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) return std::nullopt;
    return numbers ? number(name) : static_cast<double>(found - names.begin());
  }
};

// What else is swept, "joint"; or where nothing is, what was measured.
std::string series_name(const Cell& cell, const std::string& x) {
  std::string name;
  for (const auto& setting : cell.settings) {
    if (setting.option == x || setting.label.empty()) continue;
    name += (name.empty() ? "" : ",") + setting.label;
  }
  return name.empty() ? "measured" : name;
}

double of_row(const eval::PaperRow& row, const std::string& metric) {
  if (metric == "R@1") return row.r1;
  if (metric == "R@5") return row.r5;
  if (metric == "R@10") return row.r10;
  if (metric == "MdR") return row.mdr;
  return metric == "MnR" ? row.mnr : std::numeric_limits<double>::quiet_NaN();
}

// The place of a new x along the axis: the line goes there, whatever the order in the file.
ptrdiff_t add_x(report::Series& series, double x) {
  const auto place = std::ranges::upper_bound(series.x, x) - series.x.begin();
  series.x.insert(series.x.begin() + place, x);
  return place;
}

// The paper's values at our places.
std::optional<report::Series> published(const SweepOptions& options, const Places& places,
                                        const std::string& metric) {
  if (options.paper.empty()) return std::nullopt;
  const auto& table = eval::paper_tables().find(options.paper);
  report::Series series{.name = "the paper, " + table.title, .dashed = true};
  for (const auto& row : table.rows) {
    const auto place = places.place(row.system);
    if (!place || !std::isfinite(of_row(row, metric))) continue;
    const auto at = add_x(series, *place);
    series.y.insert(series.y.begin() + at, of_row(row, metric));
  }
  if (series.x.empty()) return std::nullopt;
  return series;
}

void add_point(report::Series& series, double x, const Statistic& statistic) {
  const auto at = add_x(series, x);
  series.y.insert(series.y.begin() + at, statistic.mean);
  series.low.insert(series.low.begin() + at, statistic.mean - statistic.deviation);
  series.high.insert(series.high.begin() + at, statistic.mean + statistic.deviation);
}

// The paper's curve stands in the same frame where the data is the same, else in one below.
std::vector<report::Plot> plots_of(const SweepOptions& options, const std::vector<Group>& groups,
                                   const Places& places, const std::string& split,
                                   const std::string& metric) {
  const bool percent = metric.starts_with("R@");
  report::Plot plot{.title = metric + " of text to video, " + split,
                    .x_label = options.plot.x,
                    .y_label = percent ? metric + ", %" : metric};
  if (!places.numbers) plot.categories = places.names;
  for (const auto& group : groups) {
    if (group.split != split || group.direction != "t2v") continue;
    const std::string name = series_name(*group.cell, options.plot.x);
    auto series = std::ranges::find(plot.series, name, &report::Series::name);
    if (series == plot.series.end()) {
      plot.series.push_back({.name = name});
      series = std::prev(plot.series.end());
    }
    add_point(*series, *places.place(Places::of(*group.cell, options.plot.x)),
              group.statistics.at(metric));
  }
  const auto curve = published(options, places, metric);
  if (!curve) return {plot};
  const auto& ours = groups.front().cell->experiment["data"]["dataset"];
  if (ours.as<std::string>() == eval::paper_tables().find(options.paper).dataset) {
    plot.series.push_back(*curve);
    return {plot};
  }
  report::Plot below = plot;
  below.title = metric + " of text to video, published";
  below.series = {*curve};
  return {plot, below};
}

}  // namespace

void write_plots(const fs::path& folder, const SweepOptions& options,
                 const std::vector<Group>& groups) {
  if (options.plot.x.empty() || groups.empty()) return;
  const Places places(groups, options.plot.x);
  std::vector<std::string> splits;
  for (const auto& group : groups) {
    if (std::ranges::count(splits, group.split) == 0) splits.push_back(group.split);
  }
  fs::create_directories(folder);
  for (const auto& split : splits) {
    for (const auto& metric : options.plot.metrics) {
      write_file(folder / (file_name(split + "_" + metric) + ".svg"),
                 report::svg(plots_of(options, groups, places, split, metric)));
    }
  }
}

}  // namespace vtr::sweep
