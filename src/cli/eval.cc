#include "commands.h"
#include "experiment.h"
#include "splits.h"
#include "subject.h"

#include "vtr/core/log.h"
#include "vtr/eval/evaluator.h"
#include "vtr/eval/feature_store.h"
#include "vtr/eval/paper.h"
#include "vtr/report/table.h"

#include <cmath>
#include <memory>
#include <optional>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::vector<std::string> runs, splits;
  std::string json;
};

template <class T>
T head_option(const Experiment& experiment, const char* name, const T& otherwise) {
  const config::Node& options = experiment.model.head.options;
  return options[name] ? options[name].as<T>() : otherwise;
}

// A row a script can rely on: who, on what, which way, and the figures.
report::Record to_record(const Subject& subject, const std::string& direction,
                         const eval::Evaluation& result, const eval::Metrics& m) {
  const auto& e = subject.experiment;
  return {{"run", subject.label},
          {"head", e.model.head.name},
          {"temporal", head_option(e, "temporal", std::string("none"))},
          {"topk", head_option(e, "topk", int64_t{0})},
          {"dataset", e.data.dataset},
          {"captions", e.data.test},
          {"direction", direction},
          {"queries", m.queries},
          {"videos", result.videos},
          {"skipped", result.skipped},
          {"R@1", m.r1},
          {"R@5", m.r5},
          {"R@10", m.r10},
          {"R@50", m.r50},
          {"MdR", m.mdr},
          {"MnR", m.mnr},
          {"seconds", result.seconds}};
}

std::vector<report::Record> evaluate(Subject subject, const std::vector<std::string>& splits) {
  const auto [model, tokenizer] = load(subject);
  auto& e = subject.experiment;
  std::optional<eval::FeatureStore> store;
  if (!e.data.features.empty()) store.emplace(encoding(e, *model, *tokenizer));
  std::vector<report::Record> rows;
  for (const auto& split : splits.empty() ? std::vector{e.data.test} : splits) {
    e.data.test = split;
    const auto manifest =
        data::read_split(e.data, data::Split::test, static_cast<uint64_t>(e.train.seed));
    log_notes(manifest);
    const auto how = encoding(e, *model, *tokenizer);
    std::optional<eval::Features> features;
    if (store) {
      features = store->open(how, manifest, eval::FeatureStore::Texts::fresh);
      log::info("[eval] {}", features->describe());
    }
    const auto result =
        eval::evaluate(how, manifest, e.eval.workspace_mb, features ? &*features : nullptr);
    log::info("[eval] {}: {} texts, {} videos, {} skipped, {:.1f} s", manifest.name,
              result.t2v.queries, result.videos, result.skipped, result.seconds);
    rows.push_back(to_record(subject, "t2v", result, result.t2v));
    rows.push_back(to_record(subject, "v2t", result, result.v2t));
  }
  return rows;
}

std::string cell(const report::Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:.1f}", *number);
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  return std::get<std::string>(value);
}

std::string render(const std::vector<report::Record>& rows, const Experiment& first) {
  const std::vector<std::string> columns = {"head",    "temporal", "captions", "direction",
                                            "queries", "skipped",  "R@1",      "R@5",
                                            "R@10",    "MdR",      "MnR"};
  report::TextTable table(columns);
  for (const auto& row : rows) {
    std::vector<std::string> cells;
    for (const auto& column : columns) {
      for (const auto& [name, value] : row) {
        if (name == column) cells.push_back(cell(value));
      }
    }
    table.add(cells);
  }
  const auto number = [](double v) {
    return std::isnan(v) ? std::string("-") : fmt::format("{:.1f}", v);
  };
  for (const auto& p : eval::paper_rows(first.data.dataset, first.data.train, first.data.test)) {
    table.add({p.system + " (published)", "", first.data.test, "t2v", "1000", "", number(p.r1),
               number(p.r5), number(p.r10), number(p.mdr), number(p.mnr)});
  }
  return table.text();
}

int evaluate_all(const Flags& flags) {
  const auto subjects = open_subjects(flags.runs, flags);
  std::vector<report::Record> rows;
  for (const auto& subject : subjects) {
    for (auto& row : evaluate(subject, flags.splits)) rows.push_back(std::move(row));
  }
  std::string text = render(rows, subjects.front().experiment);
  for (const auto& subject : subjects) {
    if (!subject.checkpoint || subject.experiment.train.select_on != "test") continue;
    text += fmt::format("{}: its checkpoint was chosen on the test split\n", subject.label);
  }
  print_result(text, flags.json, report::to_json(rows));
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--run", flags->runs,
                 "a run's folder or one checkpoint; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--split", flags->splits,
                 "test split instead of data.test; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--json", flags->json, "write the rows there too, as a list of objects");
  return [flags] { return evaluate_all(*flags); };
}

}  // namespace

Command eval_command() { return {"eval", "R@K, MdR and MnR, text to video and back", add}; }

}  // namespace vtr::cli
