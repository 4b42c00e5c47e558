#include "eval_rows.h"

#include "vtr/eval/paper.h"
#include "vtr/eval/protocols.h"
#include "vtr/report/table.h"

#include <algorithm>
#include <cmath>

namespace vtr::cli {
namespace {

template <class T>
T head_option(const Experiment& experiment, const char* name, const T& otherwise) {
  const config::Node& options = experiment.model.head.options;
  return options[name] ? options[name].as<T>() : otherwise;
}

// The columns that the paper has, and the table shows.
struct Column {
  const char* name;
  double eval::Metrics::*ours;
  double eval::PaperRow::*theirs;
};
constexpr Column kColumns[] = {{"R@1", &eval::Metrics::r1, &eval::PaperRow::r1},
                               {"R@5", &eval::Metrics::r5, &eval::PaperRow::r5},
                               {"R@10", &eval::Metrics::r10, &eval::PaperRow::r10},
                               {"MdR", &eval::Metrics::mdr, &eval::PaperRow::mdr},
                               {"MnR", &eval::Metrics::mnr, &eval::PaperRow::mnr}};

std::vector<eval::PaperRow> published(const Row& row) {
  const auto& data = row.subject.experiment.data;
  return eval::paper_rows(data.dataset, data.train, row.split);
}

// The paper's row of this system, text to video.
std::optional<eval::PaperRow> same_system(const Row& row) {
  const auto& model = row.subject.experiment.model;
  const auto name = eval::paper_system(model.head.name, model.encoder.name);
  const auto rows = published(row);
  const auto found = std::ranges::find(rows, name, &eval::PaperRow::system);
  return found == rows.end() ? std::nullopt : std::optional(*found);
}

report::Record to_record(const Row& row, const std::string& direction, const eval::Found& found) {
  const auto& e = row.subject.experiment;
  const auto& m = found.metrics;
  report::Record record = {{"run", row.subject.label},
                           {"head", e.model.head.name},
                           {"temporal", head_option(e, "temporal", std::string("none"))},
                           {"topk", head_option(e, "topk", int64_t{0})},
                           {"dataset", e.data.dataset},
                           {"captions", row.split},
                           {"direction", direction},
                           {"queries", m.queries},
                           {"videos", row.videos},
                           {"skipped", row.skipped}};
  for (const auto& [name, field] : eval::kMetrics) record.emplace_back(name, m.*field);
  record.emplace_back("seconds", row.seconds);
  record.emplace_back("ties", e.eval.ties);
  record.emplace_back("rerank", eval::describe(row.rerank));
  record.emplace_back("transductive", int64_t{row.rerank.name != "none"});
  if (found.interval) {
    for (const auto& [name, field] : eval::kMetrics) {
      record.emplace_back(fmt::format("{} low", name), found.interval->low.*field);
      record.emplace_back(fmt::format("{} high", name), found.interval->high.*field);
    }
  }
  if (const auto theirs = same_system(row); theirs && direction == "t2v") {
    record.emplace_back("paper system", theirs->system);
    for (const auto& [name, ours, field] : kColumns) {
      if (std::isnan((*theirs).*field)) continue;
      record.emplace_back(fmt::format("paper {}", name), (*theirs).*field);
      record.emplace_back(fmt::format("{} - paper", name), m.*ours - (*theirs).*field);
    }
  }
  record.insert(record.end(), row.cost.begin(), row.cost.end());
  return record;
}

using Cells = std::vector<std::string>;

std::string number(double value, const char* form = "{:.1f}") {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(form), value);
}

// The cells before the figures, then a cell for each column.
template <class Figure>
Cells cells(Cells first, Figure figure) {
  for (const auto& column : kColumns) first.push_back(figure(column));
  return first;
}

void add_row(report::TextTable& table, const Row& row, const std::string& direction,
             const eval::Found& found) {
  const auto& e = row.subject.experiment;
  const bool plain = row.rerank.name == "none";
  table.add(cells({e.model.head.name + (plain ? "" : " + " + row.rerank.name + ", transductive"),
                   head_option(e, "temporal", std::string("none")), row.split, direction,
                   std::to_string(found.metrics.queries), std::to_string(row.skipped)},
                  [&](const Column& c) { return number(found.metrics.*c.ours); }));
  if (found.interval) {
    table.add(cells({"  95% interval", "", "", "", "", ""}, [&](const Column& c) {
      return number(found.interval->low.*c.ours) + "–" + number(found.interval->high.*c.ours);
    }));
  }
  const auto theirs = same_system(row);
  if (!theirs || direction != "t2v") return;
  table.add(cells({"  minus " + theirs->system, "", "", "", "", ""}, [&](const Column& c) {
    return number(found.metrics.*c.ours - (*theirs).*c.theirs, "{:+.1f}");
  }));
}

report::TextTable figures(const std::vector<Row>& rows) {
  report::TextTable table({"head", "temporal", "captions", "direction", "queries", "skipped", "R@1",
                           "R@5", "R@10", "MdR", "MnR"});
  for (const auto& row : rows) {
    add_row(table, row, "t2v", row.results.t2v);
    add_row(table, row, "v2t", row.results.v2t);
  }
  for (const auto& p : published(rows.front())) {
    table.add(cells({p.system + " (published)", "", rows.front().split, "t2v", "1000", ""},
                    [&](const Column& c) { return number(p.*c.theirs); }));
  }
  return table;
}

report::TextTable costs(const std::vector<Row>& rows) {
  Cells header = {"run", "captions"};
  for (const auto& [name, value] : rows.front().cost) header.push_back(name);
  report::TextTable table(header);
  for (const auto& row : rows) {
    if (row.cost.empty()) continue;
    Cells line = {row.subject.label, row.split};
    for (const auto& [name, value] : row.cost) {
      const auto* real = std::get_if<double>(&value);
      line.push_back(real ? number(*real) : std::to_string(std::get<int64_t>(value)));
    }
    table.add(line);
  }
  return table;
}

}  // namespace

report::Record cost_record(const eval::Cost& cost, int64_t trained, double pairs_per_second,
                           int64_t peak_bytes) {
  return {{"parameters", cost.parameters},
          {"trained", trained},
          {"GFLOPs a video", static_cast<double>(cost.video_flops) / 1e9},
          {"GFLOPs a text", static_cast<double>(cost.text_flops) / 1e9},
          {"videos/s", cost.videos_per_second},
          {"texts/s", cost.texts_per_second},
          {"pairs/s", pairs_per_second},
          {"peak MB", static_cast<double>(peak_bytes) / 1e6}};
}

std::vector<report::Record> records(const Row& row) {
  return {to_record(row, "t2v", row.results.t2v), to_record(row, "v2t", row.results.v2t)};
}

Tables tables(const std::vector<Row>& rows) {
  const auto table = figures(rows);
  Tables result{table.text(), table.latex()};
  if (rows.front().cost.empty()) return result;
  const auto cost = costs(rows);
  return {result.text + "\n" + cost.text(), result.latex + "\n" + cost.latex()};
}

}  // namespace vtr::cli
