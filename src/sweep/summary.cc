#include "summary.h"

#include "grouped.h"
#include "plots.h"

#include "vtr/core/error.h"
#include "vtr/eval/paper.h"
#include "vtr/report/table.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vtr::sweep {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kColumns = {"R@1", "R@5", "R@10", "MdR", "MnR"};

const Figures* find(const Result& result, const std::string& split, const std::string& direction) {
  for (const auto& figures : result.figures) {
    if (figures.split == split && figures.direction == direction) return &figures;
  }
  return nullptr;
}

// Of one split and direction; a variant's cells lie next to each other.
void group(const std::vector<Result>& results, const std::string& split,
           const std::string& direction, std::vector<Group>& groups) {
  for (auto first = results.begin(); first != results.end();) {
    const auto other = [&](const Result& r) { return r.cell.variant != first->cell.variant; };
    const auto end = std::find_if(first, results.end(), other);
    std::map<std::string, std::vector<double>> values;
    Group group{.split = split, .direction = direction, .cell = &first->cell};
    for (; first != end; ++first) {
      const auto* figures = find(*first, split, direction);
      if (figures == nullptr) continue;
      ++group.seeds;
      for (const auto& [metric, value] : figures->values) values[metric].push_back(value);
    }
    for (const auto& [metric, all] : values) group.statistics[metric] = statistic(all);
    if (group.seeds > 0) groups.push_back(std::move(group));
  }
}

// By split and direction in the order in which they were evaluated.
std::vector<Group> grouped(const std::vector<Result>& results) {
  std::vector<std::pair<std::string, std::string>> kinds;
  for (const auto& result : results) {
    for (const auto& figures : result.figures) {
      const std::pair kind(figures.split, figures.direction);
      if (std::ranges::count(kinds, kind) == 0) kinds.push_back(kind);
    }
  }
  std::vector<Group> groups;
  for (const auto& [split, direction] : kinds) group(results, split, direction, groups);
  return groups;
}

std::string shown(const Statistic& s) {
  return std::isnan(s.deviation) ? fmt::format("{:.1f}", s.mean)
                                 : fmt::format("{:.1f} ± {:.1f}", s.mean, s.deviation);
}

std::string shown(double value) { return std::isnan(value) ? "-" : fmt::format("{:.1f}", value); }

report::TextTable table(const SweepOptions& options, const std::vector<Group>& groups) {
  std::vector<std::string> header = {"cell", "split", "direction", "seeds"};
  header.insert(header.end(), kColumns.begin(), kColumns.end());
  report::TextTable result(header);
  for (const auto& group : groups) {
    std::vector<std::string> row = {group.cell->variant, group.split, group.direction,
                                    std::to_string(group.seeds)};
    for (const auto& metric : kColumns) row.push_back(shown(group.statistics.at(metric)));
    result.add(std::move(row));
  }
  if (options.paper.empty()) return result;
  const auto& paper = eval::paper_tables().find(options.paper);
  for (const auto& p : paper.rows) {
    result.add({p.system + " (published, " + paper.title + ")", "", "t2v", "", shown(p.r1),
                shown(p.r5), shown(p.r10), shown(p.mdr), shown(p.mnr)});
  }
  return result;
}

// Mean and deviation in columns of their own.
std::string csv(const std::vector<Group>& groups) {
  std::vector<std::string> header = {"cell", "split", "direction", "seeds"};
  for (const auto& metric : kMetrics) {
    header.push_back(metric + " mean");
    header.push_back(metric + " std");
  }
  report::TextTable result(header);
  for (const auto& group : groups) {
    std::vector<std::string> row = {group.cell->variant, group.split, group.direction,
                                    std::to_string(group.seeds)};
    for (const auto& metric : kMetrics) {
      const auto& s = group.statistics.at(metric);
      row.push_back(fmt::format("{:.4f}", s.mean));
      row.push_back(std::isnan(s.deviation) ? "" : fmt::format("{:.4f}", s.deviation));
    }
    result.add(std::move(row));
  }
  return result.csv();
}

// 4 and true as what they are, anything else as text.
Json value(const std::string& yaml) {
  Json json = Json::parse(yaml, nullptr, /*allow_exceptions=*/false);
  return json.is_number() || json.is_boolean() ? json : Json(yaml);
}

std::string json(const std::vector<Result>& results) {
  Json list = Json::array();
  for (const auto& result : results) {
    if (result.figures.empty() && result.error.empty()) continue;
    Json options = Json::object(), metrics = Json::object();
    for (const auto& setting : result.cell.settings) {
      options[setting.option] = value(setting.value);
    }
    for (const auto& figures : result.figures) {
      for (const auto& metric : kMetrics) {
        metrics[figures.split][figures.direction][metric] = figures.values.at(metric);
      }
    }
    Json cell = {{"cell", result.cell.variant},
                 {"run", result.cell.name()},
                 {"options", options},
                 {"seed", result.cell.seed}};
    cell[result.figures.empty() ? "error" : "metrics"] =
        result.figures.empty() ? Json(result.error) : metrics;
    list.push_back(std::move(cell));
  }
  return list.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<Figures> read_figures(const fs::path& file, const std::vector<std::string>& splits) {
  if (!fs::exists(file)) return {};
  std::vector<Figures> result;
  try {
    for (const auto& row : Json::parse(read_file(file))) {
      const std::string rerank = row.value("rerank", "none");
      const std::string split = row.at("captions");
      Figures figures{rerank == "none" ? split : split + " + " + rerank, row.at("direction"), {}};
      for (const auto& metric : kMetrics) figures.values[metric] = row.at(metric);
      result.push_back(std::move(figures));
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: {}; remove it, and the cell is evaluated again", file.string(),
                            error.what()));
  }
  for (const auto& split : splits) {
    if (std::ranges::count(result, split, &Figures::split) == 0) return {};
  }
  return result;
}

Statistic statistic(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {mean, std::numeric_limits<double>::quiet_NaN()};
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (n - 1))};
}

report::TextTable table(const SweepOptions& options, const std::vector<Result>& results) {
  return table(options, grouped(results));
}

std::string missing(const std::vector<Result>& results) {
  std::string lines;
  size_t waiting = 0;
  for (const auto& result : results) {
    if (!result.error.empty()) {
      lines += fmt::format("failed: {}: {}\n", result.cell.name(), result.error);
    } else if (result.figures.empty()) {
      ++waiting;
    }
  }
  if (waiting > 0) lines += fmt::format("not finished: {} of {} cells\n", waiting, results.size());
  return lines;
}

std::string table_text(const SweepOptions& options, const std::vector<Result>& results) {
  return table(options, results).text() + missing(results);
}

void write_results(const fs::path& folder, const SweepOptions& options,
                   const std::vector<Result>& results) {
  const auto groups = grouped(results);
  const auto rows = table(options, groups);
  const std::string lacks = missing(results);
  write_file(folder / "results.json", json(results));
  write_file(folder / "results.csv", csv(groups));
  write_file(folder / "results.md", rows.markdown() + (lacks.empty() ? "" : "\n" + lacks));
  write_file(folder / "results.tex", rows.latex());
  write_plots(folder / "plots", options, groups);
}

}  // namespace vtr::sweep
