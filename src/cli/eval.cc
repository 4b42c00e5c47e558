#include "commands.h"
#include "eval_rows.h"
#include "job.h"
#include "split_reader.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/eval/protocols.h"
#include "vtr/eval/rerank.h"
#include "vtr/train/measure.h"

#include <map>
#include <memory>

namespace vtr::cli {
namespace {

struct Flags : ConfigFlags {
  std::vector<std::string> runs, splits;
  WeightsFlags weights;
  std::string protocol, out, features, json, latex;
  bool keep_sim = false, cost = false;
};

// The protocol's splits. A run was trained on what it was trained on.
void follow(const eval::ProtocolEntry& protocol, Subject& subject) {
  const auto own = own_experiment(subject).data;
  VTR_CHECK(subject.run.empty() || (own.dataset == protocol.dataset && own.train == protocol.train),
            "--protocol {}: trains on {} {}, {} was trained on {} {}", protocol.name,
            protocol.dataset, protocol.train, subject.label, own.dataset, own.train);
  auto& data = subject.experiment.data;
  data.dataset = protocol.dataset;
  data.train = protocol.train;
  data.test = protocol.test;
}

using Options = std::map<std::string, std::string>;  // by their full names

void add_options(const config::Node& node, const std::string& path, Options& all) {
  if (!node.IsMap()) {
    all[path] = config::detail::inline_text(node);
    return;
  }
  for (const auto& item : node) {
    add_options(item.second, config::detail::join(path, item.first.as<std::string>()), all);
  }
}

// Those that figures may depend on and no other field of the protocol tells.
Options telling_options(const Experiment& whole) {
  Experiment e = without_places(whole);
  e.data.dataset = e.data.test = e.data.on_error = "";
  Options all;
  add_options(config::write(e), "", all);
  std::erase_if(all, [](const auto& option) {
    const bool of_work = option.first.starts_with("eval.") || option.first.starts_with("train.");
    return of_work && option.first != "eval.precision" && option.first != "train.seed";
  });
  return all;
}

// "video.frames=8 video.sampling=random", or "none".
std::string overrides(const Experiment& own, const Experiment& now) {
  const auto before = telling_options(own);
  std::vector<std::string> changed;
  for (const auto& [name, value] : telling_options(now)) {
    const auto was = before.find(name);
    if (was == before.end() || was->second != value) changed.push_back(name + "=" + value);
  }
  return changed.empty() ? "none" : fmt::format("{}", fmt::join(changed, " "));
}

std::string step_of(const Subject& subject) {
  return subject.checkpoint ? subject.checkpoint->filename().string() : "";
}

std::vector<std::string> splits_of(const Subject& subject, const Flags& flags) {
  return flags.splits.empty() ? std::vector{subject.experiment.data.test} : flags.splits;
}

// Where results are written; empty: nowhere.
fs::path results_place(const Subject& subject, const Experiment& own, const Flags& flags,
                       const std::string& split, const std::string& rerank) {
  if (!flags.out.empty()) return fs::path(flags.out) / eval::results_name(split, rerank);
  if (subject.run.empty()) return {};
  const auto& e = subject.experiment;
  std::vector<std::string> laid_over;
  if (const auto options = overrides(own, e); options != "none") laid_over.push_back(options);
  const auto add = [&](const char* name, const std::string& was, const std::string& now) {
    if (was != now) laid_over.push_back(fmt::format("{}={}", name, now));
  };
  add("data.dataset", own.data.dataset, e.data.dataset);
  add("data.on_error", own.data.on_error, e.data.on_error);
  add("eval.ties", own.eval.ties, e.eval.ties);
  const auto folder =
      subject.run / "eval" / (subject.chosen ? fs::path() : subject.checkpoint->filename());
  return folder / eval::results_name(split, rerank, fmt::format("{}", fmt::join(laid_over, " ")));
}

// Told before the work, not after it.
void check_places(const std::vector<Subject>& subjects, const Flags& flags) {
  check_file("--json", flags.json);
  check_file("--latex", flags.latex);
  for (const auto& subject : subjects) {
    const auto own = own_experiment(subject);
    for (const auto& split : splits_of(subject, flags)) {
      for (const auto& rerank : {std::string("none"), subject.experiment.eval.rerank.name}) {
        const auto place = results_place(subject, own, flags, split, rerank);
        if (!place.empty()) eval::check_place(place);
      }
    }
  }
}

void write(const Row& row, const Experiment& own, const eval::Evaluation& result,
           const Flags& flags) {
  const auto place = results_place(row.subject, own, flags, row.split, row.rerank.name);
  if (place.empty()) return;
  const auto& e = row.subject.experiment;
  const eval::Protocol protocol = {.dataset = e.data.dataset,
                                   .split = row.split,
                                   .ties = e.eval.ties,
                                   .rerank = rerank_of(row),
                                   .queries = result.readable.sha256(),
                                   .overrides = overrides(own, e),
                                   .checkpoint = step_of(row.subject)};
  const auto all = records(row);
  eval::write_results(
      place, {protocol, row.results, result.readable, all, flags.keep_sim ? result.sim : Tensor()});
  log::info("[eval] ranks of every query: {}", place.string());
}

// The split that data.test names, as the scores are and by the post-processing. Of a job's
// processes the first one has the rows.
std::vector<Row> evaluate_split(const Subject& subject, const Experiment& own, SplitReader& reader,
                                const Flags& flags, const std::optional<eval::Cost>& cost,
                                bool writes) {
  const auto& e = subject.experiment;
  const auto result = reader.evaluate(reader.read(data::Split::test));
  if (!writes) return {};
  log::info("[eval] {}{}: {} texts, {} videos, {} skipped, {:.1f} s", result.readable.name,
            subject.checkpoint ? ", " + step_of(subject) : "", result.t2v.queries, result.videos,
            result.skipped, result.seconds);
  const auto table = published_table(own.data, e.data, result.readable);
  std::vector<Row> rows;
  const auto add = [&](const config::Choice& rerank, const Tensor& t2v, const Tensor& v2t) {
    rows.push_back({subject, e.data.test, table, rerank, result.videos, result.skipped,
                    result.seconds, eval::rank_both(t2v, v2t, result.target, e.eval)});
  };
  add({"none", {}}, result.sim, result.sim.t());
  if (cost) {
    auto& model = reader.how().model;
    rows.front().cost = cost_record(*cost, train::trained_values(model, e.train),
                                    static_cast<double>(result.sim.numel()) / result.score_seconds,
                                    train::peak_memory(model.device()));
  }
  if (e.eval.rerank.name != "none") {
    const auto reranked = reader.rerank(result);
    add(reranked.choice, reranked.t2v, reranked.v2t);
  }
  for (const auto& row : rows) write(row, own, result, flags);
  return rows;
}

std::vector<Row> evaluate(Subject& subject, const Flags& flags, dist::Group& group) {
  VTR_CHECK(
      group.alone() ||
          (flags.features.empty() && !flags.cost && subject.experiment.eval.rerank.name == "none"),
      "--keep-features, --cost, eval.rerank: of one process, here there are {}", group.size());
  subject.experiment.device = own_device(subject.experiment.device, group);
  SplitReader reader(subject, &group);
  const Experiment own = own_experiment(subject);
  if (flags.cost) train::reset_peak_memory(reader.how().model.device());  // of this run alone
  const auto splits = splits_of(subject, flags);
  for (const auto& split : splits.size() > 1 ? splits : std::vector<std::string>()) {
    auto data = subject.experiment.data;  // all are looked at before the first is encoded
    data.test = split;
    data::read_split(data, data::Split::test, static_cast<uint64_t>(own.train.seed));
  }
  if (const auto laid_over = overrides(own, subject.experiment); laid_over != "none")
    log::info("[eval] {}: with {}", subject.label, laid_over);
  if (!flags.features.empty()) reader.keep_features(flags.features, splits);
  std::optional<eval::Cost> cost;
  if (flags.cost) cost = eval::measure_cost(reader.how());
  std::vector<Row> rows;
  for (const auto& split : splits) {
    subject.experiment.data.test = split;
    for (auto& row : evaluate_split(subject, own, reader, flags, cost, group.rank() == 0)) {
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

int evaluate_all(std::vector<Subject>& subjects, const Flags& flags, dist::Group& group) {
  if (group.rank() == 0) check_places(subjects, flags);
  std::vector<Row> rows;
  for (auto& subject : subjects) {
    for (auto& row : evaluate(subject, flags, group)) rows.push_back(std::move(row));
  }
  if (group.rank() != 0) return 0;
  std::vector<report::Record> all;
  for (const auto& row : rows) {
    for (auto& record : records(row)) all.push_back(std::move(record));
  }
  auto [text, latex] = tables(rows);
  for (const auto& subject : subjects) {
    if (!subject.checkpoint || subject.experiment.train.select_on != "test") continue;
    text += fmt::format("{}: its checkpoint was chosen on the test split\n", subject.label);
  }
  print_result(text, flags.json, report::to_json(all));
  if (!flags.latex.empty()) write_file(flags.latex, latex);
  return 0;
}

int evaluate_all(const Flags& flags) {
  auto subjects = open_subjects(flags.runs, flags, flags.weights);
  VTR_CHECK(subjects.size() == 1 || (flags.out.empty() && flags.features.empty()),
            "--out, --keep-features: of one run at a time");
  if (!flags.protocol.empty()) {
    for (auto& subject : subjects) follow(eval::protocols().find(flags.protocol), subject);
  }
  return as_job(std::chrono::seconds(subjects.front().experiment.train.dist_timeout),
                [&](dist::Group& group) { return evaluate_all(subjects, flags, group); });
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--run,--checkpoint", flags->runs,
                 "a run's folder or one checkpoint; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--weights", flags->weights.file,
                 "over --config: CLIP's weights, a model.safetensors, or what --from says");
  app.add_option("--from", flags->weights.from,
                 "the published system whose checkpoint --weights is (vtr list systems)");
  auto* split = app.add_option("--split", flags->splits,
                               "test split instead of data.test; may be given several times")
                    ->allow_extra_args(false);
  app.add_option("--protocol", flags->protocol, "dataset and splits by name")
      ->check(CLI::IsMember(eval::protocols().names()))
      ->excludes(split);
  app.add_option("--out", flags->out,
                 "folder for metrics, ranks and queries, a folder a split [RUN/eval]");
  app.add_flag("--keep-sim", flags->keep_sim, "write the scores of all pairs there, too");
  app.add_option("--keep-features", flags->features,
                 "encode into this store of features, and evaluate from it");
  app.add_flag("--cost", flags->cost, "parameters, FLOPs, rates and memory, too");
  app.add_option("--json", flags->json, "write the rows there too, as a list of objects");
  app.add_option("--latex", flags->latex, "write the tables there, as LaTeX");
  return [flags] { return evaluate_all(*flags); };
}

}  // namespace

Command eval_command() { return {"eval", "R@K, MdR and MnR, text to video and back", add}; }

}  // namespace vtr::cli
