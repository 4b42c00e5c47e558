#include "vtr/eval/compare.h"

#include "commands.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"
#include "vtr/report/table.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <set>

namespace vtr::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string a, b, split, json;
  eval::Resampling how;
  int64_t moved = 5;
};

bool has_results(const fs::path& folder) { return fs::exists(folder / "ranks.safetensors"); }

// Where a run or an --out has its evaluations, by the folders' names.
struct Evaluated {
  fs::path folder;
  std::set<std::string> names;  // "": the folder itself is one
};

Evaluated evaluated(const std::string& path) {
  VTR_CHECK(fs::is_directory(path), "{}: no such folder", path);
  if (has_results(path)) return {path, {""}};
  fs::path inside = fs::path(path) / "eval";
  if (fs::exists(fs::path(path) / "model.safetensors")) {  // RUN/checkpoints/NAME
    const fs::path checkpoint = fs::canonical(path);
    inside = checkpoint.parent_path().parent_path() / "eval" / checkpoint.filename();
  }
  Evaluated found{fs::is_directory(inside) ? inside : fs::path(path), {}};
  for (const auto& entry : fs::directory_iterator(found.folder)) {
    if (has_results(entry.path())) found.names.insert(entry.path().filename());
  }
  VTR_CHECK(!found.names.empty(), "{}: was not evaluated; vtr eval --run {} does it", path, path);
  return found;
}

// Of what --split asks for, or the only one that both have.
std::array<eval::StoredResults, 2> open_both(const Flags& flags) {
  const auto a = evaluated(flags.a), b = evaluated(flags.b);
  const auto open = [&](const Evaluated& of, const std::string& name) {
    const std::string own = of.names.contains(name) ? name : eval::results_name(name, "none");
    const bool itself = of.names.contains("");
    auto results = eval::read_results(itself ? of.folder : of.folder / own);
    VTR_CHECK(!itself || flags.split.empty() || flags.split == results.protocol.split,
              "--split {}: {} is of {}", flags.split, of.folder.string(), results.protocol.split);
    return results;
  };
  if (!flags.split.empty()) return {open(a, flags.split), open(b, flags.split)};
  std::vector<std::string> both;
  std::ranges::set_intersection(a.names, b.names, std::back_inserter(both));
  if (a.names.contains("")) both.assign(b.names.begin(), b.names.end());
  if (b.names.contains("")) both.assign(a.names.begin(), a.names.end());
  VTR_CHECK(both.size() < 2, "--split: both were evaluated on {}: name one", fmt::join(both, ", "));
  VTR_CHECK(!both.empty(), "{} was evaluated on {}, {} on {}", flags.a, fmt::join(a.names, ", "),
            flags.b, fmt::join(b.names, ", "));
  return {open(a, both.front()), open(b, both.front())};
}

std::string percent_or_rank(double value) { return fmt::format("{:.2f}", value); }

void add_lines(report::TextTable& table, const std::string& way, const eval::Comparison& found) {
  for (const auto& d : found.differences) {
    table.add({way, d.metric, percent_or_rank(d.a), percent_or_rank(d.b),
               fmt::format("{:+.2f}", d.value()), fmt::format("{:+.2f} to {:+.2f}", d.low, d.high),
               fmt::format("{:.4f}", d.p)});
  }
}

std::string moved_text(const std::string& way, const eval::Comparison& found) {
  const auto& s = found.signs;
  std::string text = fmt::format(
      "\n{}: {} queries better in B, {} worse, {} alike; sign test p = "
      "{:.4g}\n",
      way, s.better, s.worse, s.equal, s.p);
  for (const auto& [title, queries] :
       {std::pair{"better", &found.better}, std::pair{"worse", &found.worse}}) {
    for (const auto& m : *queries) {
      text += fmt::format("  {:<7}{:>7} -> {:<7} {}\n", title, m.from, m.to, m.query);
    }
  }
  return text;
}

Json to_json(const eval::Comparison& found) {
  Json json = {{"differences", Json::array()},
               {"sign test",
                {{"better", found.signs.better},
                 {"worse", found.signs.worse},
                 {"equal", found.signs.equal},
                 {"p", found.signs.p}}}};
  for (const auto& d : found.differences) {
    json["differences"].push_back({{"metric", d.metric},
                                   {"a", d.a},
                                   {"b", d.b},
                                   {"difference", d.value()},
                                   {"low", d.low},
                                   {"high", d.high},
                                   {"p", d.p}});
  }
  for (const auto& [title, queries] :
       {std::pair{"better", &found.better}, std::pair{"worse", &found.worse}}) {
    json[title] = Json::array();
    for (const auto& m : *queries) {
      json[title].push_back({{"query", m.query}, {"from", m.from}, {"to", m.to}});
    }
  }
  return json;
}

int compare(const Flags& flags) {
  const auto [a, b] = open_both(flags);
  if (a.protocol.overrides != b.protocol.overrides) {
    log::warn("[compare] evaluated with other options laid over the runs' own: {}, {}",
              a.protocol.overrides, b.protocol.overrides);
  }
  const auto found = eval::compare(a, b, flags.how, flags.moved);
  report::TextTable table({"direction", "metric", "A", "B", "B - A", "95% interval", "p"});
  add_lines(table, "t2v", found.t2v);
  add_lines(table, "v2t", found.v2t);
  const Json json = {{"a", a.folder.string()},
                     {"b", b.folder.string()},
                     {"resamples", flags.how.resamples},
                     {"t2v", to_json(found.t2v)},
                     {"v2t", to_json(found.v2t)}};
  print_result(fmt::format("A {}\nB {}\n", a.folder.string(), b.folder.string()) + table.text() +
                   moved_text("t2v", found.t2v) + moved_text("v2t", found.v2t),
               flags.json, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("a", flags->a, "a run that was evaluated, or a folder of vtr eval --out")
      ->required();
  app.add_option("b", flags->b, "another one, on the same queries")->required();
  app.add_option("--split", flags->split, "the evaluation to compare, where there are several");
  app.add_option("--resamples", flags->how.resamples, "of the paired bootstrap")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", flags->how.seed, "of the bootstrap")->capture_default_str();
  app.add_option("--moved", flags->moved, "queries that moved most to show, each way")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--json", flags->json, "write it there too, as an object");
  return [flags] { return compare(*flags); };
}

}  // namespace

Command compare_command() {
  return {"compare", "whether one evaluated run is better than another, and on which queries", add};
}

}  // namespace vtr::cli
