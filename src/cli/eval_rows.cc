#include "eval_rows.h"

#include "vtr/eval/protocols.h"
#include "vtr/report/table.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace vtr::cli {
namespace {

template <class T>
T head_option(const Experiment& experiment, const char* name, const T& otherwise) {
  const config::Node& options = experiment.model.head.options;
  return options[name] ? options[name].as<T>() : otherwise;
}

// The paper's row of this system, text to video; it has none of post-processed scores.
std::optional<eval::PaperRow> same_system(const Row& row) {
  if (row.rerank.name != "none" || row.table.empty()) return std::nullopt;
  const auto& model = row.subject.experiment.model;
  const auto name = eval::paper_system(model.head.name, model.encoder.name);
  const auto& rows = eval::paper_tables().find(row.table).rows;
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
  record.emplace_back("rerank", rerank_of(row));
  if (const auto beta = row.rerank.options["beta"]) {
    record.emplace_back("rerank beta", beta.as<double>());
  }
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

// Of several runs each row has its run's name before it.
void add_row(report::TextTable& table, const Row& row, const std::string& direction,
             const eval::Found& found, const Cells& run) {
  const auto& e = row.subject.experiment;
  const bool plain = row.rerank.name == "none";
  const auto add = [&](const Cells& before, Cells first, auto figure) {
    first.insert(first.begin(), before.begin(), before.end());
    table.add(cells(std::move(first), figure));
  };
  const Cells blank(run.size());
  add(run,
      {e.model.head.name + (plain ? "" : " + " + row.rerank.name + ", transductive"),
       head_option(e, "temporal", std::string("none")), row.split, direction,
       std::to_string(found.metrics.queries), std::to_string(row.skipped)},
      [&](const Column& c) { return number(found.metrics.*c.ours); });
  if (found.interval) {
    add(blank, {"  95% interval", "", "", "", "", ""}, [&](const Column& c) {
      return number(found.interval->low.*c.ours) + "–" + number(found.interval->high.*c.ours);
    });
  }
  const auto theirs = same_system(row);
  if (!theirs || direction != "t2v") return;
  add(blank, {"  minus " + theirs->system, "", "", "", "", ""}, [&](const Column& c) {
    return number(found.metrics.*c.ours - (*theirs).*c.theirs, "{:+.1f}");
  });
}

void add_published(report::TextTable& table, const Row& row, const Cells& before) {
  const auto& published = eval::paper_tables().find(row.table);
  for (const auto& p : published.rows) {
    Cells start = before;
    start.push_back(fmt::format("{} (published, {})", p.system, published.title));
    start.insert(start.end(), {"", row.split, "t2v", std::to_string(eval::kPaperQueries), ""});
    table.add(cells(std::move(start), [&](const Column& c) { return number(p.*c.theirs); }));
  }
}

report::TextTable figures(const std::vector<Row>& rows) {
  const auto& first = rows.front();
  const bool several = std::ranges::any_of(
      rows, [&](const Row& row) { return row.subject.label != first.subject.label; });
  Cells header = {"head", "temporal", "captions", "direction", "queries", "skipped"};
  if (several) header.insert(header.begin(), "run");
  report::TextTable table(
      cells(std::move(header), [](const Column& c) { return std::string(c.name); }));
  for (const auto& row : rows) {
    const Cells run = several ? Cells{row.subject.label} : Cells();
    add_row(table, row, "t2v", row.results.t2v, run);
    add_row(table, row, "v2t", row.results.v2t, run);
  }
  std::set<std::string> told = {""};
  for (const auto& row : rows) {
    if (told.insert(row.table).second) add_published(table, row, several ? Cells{""} : Cells());
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

std::string published_table(const data::DataOptions& own, const data::DataOptions& now,
                            const data::Manifest& tested) {
  const bool differs = std::ranges::any_of(tested.sources, &data::Source::differs);
  if (differs || tested.captions() != eval::kPaperQueries || own.dataset != now.dataset) return "";
  return eval::paper_table(own.dataset, own.train, now.test);
}

std::string rerank_of(const Row& row) {
  const auto& asked = row.subject.experiment.eval.rerank;
  return row.rerank.name == "none" ? "none" : eval::describe(asked);
}

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
