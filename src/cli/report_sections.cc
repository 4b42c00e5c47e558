#include "report_sections.h"

#include "vtr/config/load.h"
#include "vtr/data/picture.h"
#include "vtr/report/plot.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace vtr::cli {
namespace {

using Cells = std::vector<report::SortableTable::Cell>;

std::string between(const eval::Interval& interval, const Column& column) {
  return fmt::format("{:.1f} to {:.1f}", interval.low.*column.ours, interval.high.*column.ours);
}

Cells own_row(const std::string& name, const char* direction, const eval::Found& found) {
  Cells cells = {{name}, {direction}, {std::to_string(found.metrics.queries)}};
  for (const auto& column : kColumns) {
    const std::string figure = fmt::format("{:.1f}", found.metrics.*column.ours);
    cells.push_back({found.interval
                         ? fmt::format("{} [{}]", figure, between(*found.interval, column))
                         : figure});
  }
  return cells;
}

// Their figures, and ours less theirs.
Cells published_row(const eval::PaperRow& row, const eval::Metrics& ours) {
  Cells cells = {{row.system + " (published)"}, {"t2v"}, {""}};
  for (const auto& column : kColumns) {
    const double theirs = row.*column.theirs;
    cells.push_back({std::isnan(theirs)
                         ? "-"
                         : fmt::format("{:.1f} ({:+.1f})", theirs, ours.*column.ours - theirs)});
  }
  return cells;
}

// The values of one name over the steps.
report::Series series(const std::vector<report::Record>& records, const std::string& name) {
  report::Series result{.name = name};
  for (const auto& record : records) {
    double step = 0;
    for (const auto& [key, value] : record) {
      const double number = std::visit(
          [](const auto& v) {
            if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) {
              return static_cast<double>(v);
            } else {
              return std::nan("");
            }
          },
          value);
      if (key == "step") step = number;
      if (key != name) continue;
      result.x.push_back(step);
      result.y.push_back(number);
    }
  }
  return result;
}

struct Curve {
  const char *title, *unit;
  std::vector<std::string> names;
};

void add_curves(report::Section& section, const std::vector<report::Record>& records,
                const std::vector<Curve>& curves) {
  for (const auto& [title, unit, names] : curves) {
    report::Plot plot{.title = title, .x_label = "step", .y_label = unit};
    for (const auto& name : names) {
      auto some = series(records, name);
      if (!some.x.empty()) plot.series.push_back(std::move(some));
    }
    if (!plot.series.empty()) section.blocks.push_back(report::Drawing{report::svg(plot), title});
  }
}

report::Bars histogram(const std::string& direction, const std::vector<double>& ranks,
                       int64_t candidates) {
  report::Bars bars{direction, "rank", "queries", {}};
  double low = 0;
  for (const double high : {1., 5., 10., 50., 100., 500., 1e18}) {
    const auto in = std::count_if(ranks.begin(), ranks.end(),
                                  [&](double rank) { return low < rank && rank <= high; });
    const double share = static_cast<double>(in) / static_cast<double>(ranks.size());
    std::string label = high == 1 ? "1" : fmt::format("{:.0f} to {:.0f}", low + 1, high);
    if (high > static_cast<double>(candidates)) label = fmt::format("beyond {:.0f}", low);
    bars.bars.push_back(
        {label, static_cast<double>(in), fmt::format("{} ({:.1f}%)", in, 100 * share)});
    if (high >= static_cast<double>(candidates)) break;
    low = high;
  }
  return bars;
}

// [h, w] in [0, 1] -> planes [3, h, w] of bytes: from near black over violet and orange to light
// yellow, its lightness rising evenly.
Tensor coloured(const Tensor& map) {
  const Tensor stops = torch::tensor({{0.00, 0.00, 0.08},
                                      {0.32, 0.07, 0.48},
                                      {0.72, 0.22, 0.47},
                                      {0.98, 0.53, 0.38},
                                      {0.99, 0.99, 0.75}},
                                     torch::kFloat);
  const Tensor at = map.clamp(0, 1) * static_cast<double>(stops.size(0) - 1);
  const Tensor from = at.floor().clamp_max(static_cast<double>(stops.size(0) - 2));
  const Tensor part = (at - from).unsqueeze(-1), index = from.to(torch::kLong).flatten();
  const auto stop = [&](const Tensor& i) {
    return stops.index_select(0, i).view({map.size(0), map.size(1), 3});
  };
  const Tensor colour = stop(index) * (1 - part) + stop(index + 1) * part;
  return colour.mul(255).round().to(torch::kByte).permute({2, 0, 1}).contiguous();
}

}  // namespace

report::Section result_section(const Experiment& experiment, const std::string& published,
                               const eval::Results& results, const eval::Results& plain) {
  report::SortableTable table{
      "Recall at K in percent, median and mean rank; in square brackets 95% intervals", {}, {}};
  table.header = {"system", "direction", "queries"};
  for (const auto& column : kColumns) table.header.emplace_back(column.name);
  const auto add_own = [&](const std::string& name, const eval::Results& own) {
    table.rows.push_back(own_row(name, "t2v", own.t2v));
    table.rows.push_back(own_row(name, "v2t", own.v2t));
  };
  add_own("this run", plain);
  const auto& rerank = experiment.eval.rerank;
  if (rerank.name != "none") add_own("this run + " + eval::describe(rerank), results);
  if (!published.empty()) {
    for (const auto& row : eval::paper_tables().find(published).rows) {
      table.rows.push_back(published_row(row, plain.t2v.metrics));
    }
  }
  report::Cards cards;
  const auto add = [&](const Column& column, const eval::Found& found, const char* direction) {
    const std::string interval = found.interval ? "95%: " + between(*found.interval, column) : "";
    cards.cards.push_back({std::string(column.name) + ", " + direction,
                           fmt::format("{:.1f}", found.metrics.*column.ours), interval});
  };
  for (const auto& column : kColumns) add(column, results.t2v, "text to video");
  add(kColumns[0], results.v2t, "video to text");
  report::Section section{"result", "Result", {cards, table}};
  section.blocks.push_back(report::Paragraph{
      published.empty()
          ? fmt::format(
                "No published row is known for this training and these {} queries of {} {}.",
                plain.t2v.metrics.queries, experiment.data.dataset, experiment.data.test)
          : "In round brackets: this run less the published figure."});
  return section;
}

report::Section training_section(const fs::path& run) {
  report::Section section{"training", "Training", {}};
  add_curves(section, report::read_records(run / "metrics.jsonl"),
             {{"Training loss", "loss", {"loss"}},
              {"Learning rates", "rate", {"lr", "encoder_lr"}},
              {"Gradients", "norm", {"grad_norm_encoder", "grad_norm_head"}},
              {"Time of a step", "seconds", {"seconds", "data_wait"}}});
  add_curves(section, report::read_records(run / "validation.jsonl"),
             {{"Recall on the validation split", "%", {"t2v R@1", "t2v R@5", "v2t R@1"}},
              {"Mean rank on the validation split", "rank", {"t2v MnR"}}});
  if (section.blocks.empty()) {
    section.blocks.push_back(report::Paragraph{"The run keeps no record of a training."});
  }
  return section;
}

report::Section ranks_section(const eval::Evaluation& result, const eval::Results& results) {
  constexpr int64_t kSide = 256;
  const Tensor map = coloured(eval::heat_map(result.sim, kSide));
  const int64_t n = result.sim.size(0), m = result.sim.size(1);
  const std::string what = fmt::format(
      "Scores of {} texts (down) and {} videos (across), each text's own video near the diagonal, "
      "from {:.3f} (dark) to {:.3f} (light){}",
      n, m, result.sim.min().item<float>(), result.sim.max().item<float>(),
      std::max(n, m) > kSide ? "; a point shows the largest of several" : "");
  const std::string png = data::to_png(map.const_data_ptr<uint8_t>(), map.size(1), map.size(2));
  return {"ranks",
          "Ranks and scores",
          {histogram("Text to video: the rank of a text's own video", results.t2v.ranks.rank, m),
           histogram("Video to text: the rank of a video's own texts", results.v2t.ranks.rank, m),
           report::Figure{{"image/png", png, what}, what}}};
}

report::Section configuration_section(const Experiment& experiment, const fs::path& run) {
  report::Section section{"configuration", "Configuration and environment", {}};
  const auto environment = report::read_records(run / "env.json");
  if (!environment.empty()) {
    report::SortableTable table{"Where it was trained", {"what", "value"}, {}};
    for (const auto& [name, value] : environment.front()) {
      table.rows.push_back(
          {{name}, {std::visit([](const auto& v) { return fmt::format("{}", v); }, value)}});
    }
    section.blocks.emplace_back(table);
  }
  section.blocks.push_back(report::Listing{"config.yaml, as it was evaluated",
                                           config::to_text(config::write(experiment))});
  return section;
}

}  // namespace vtr::cli
