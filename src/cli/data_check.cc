#include "experiment.h"
#include "parts.h"

#include "vtr/core/error.h"
#include "vtr/data/check.h"
#include "vtr/report/progress.h"
#include "vtr/report/table.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

namespace vtr::cli {
namespace {

constexpr size_t kNamed = 3;  // problems of a kind that are printed in full

struct Flags : ConfigFlags {
  std::string json, fix_list;
  bool quick = false, decode = false, strict = false;
};

// "as published", or why not known.
std::string verdict(const data::Source& source) {
  if (source.published.empty()) return "no digest is known";
  return source.differs() ? "differs from the published file" : "as published";
}

double mean_captions(const data::SplitCheck& split) {
  return split.videos == 0
             ? 0.0
             : static_cast<double>(split.captions) / static_cast<double>(split.videos);
}

std::string splits_text(const data::CheckReport& report) {
  report::TextTable table({"split", "of", "videos", "captions", "a video: fewest", "mean", "most",
                           "skipped", "unusable"});
  for (const auto& split : report.splits) {
    table.add({split.split, split.name, std::to_string(split.videos),
               std::to_string(split.captions), std::to_string(split.fewest),
               fmt::format("{:.1f}", mean_captions(split)), std::to_string(split.most),
               std::to_string(split.skipped), std::to_string(split.unusable)});
  }
  return table.text();
}

// A file that several splits read once.
std::string sources_text(const data::CheckReport& report) {
  report::TextTable table({"annotations", "md5", ""});
  std::map<fs::path, data::Source> sources;
  for (const auto& split : report.splits) {
    for (const auto& source : split.sources) sources.emplace(source.path, source);
  }
  for (const auto& [path, source] : sources) {
    table.add({path.string(), source.md5, verdict(source)});
  }
  return sources.empty() ? "" : "\n" + table.text();
}

std::string notes_text(const data::CheckReport& report) {
  std::string text;
  for (const auto& split : report.splits) {
    if (!split.error.empty()) text += fmt::format("{}: {}\n", split.split, split.error);
    for (const auto& note : split.notes) text += fmt::format("{}: {}\n", split.split, note);
  }
  if (!report.unknown.empty()) {
    text +=
        fmt::format("data.skip_list: {} of its ids are in no split ({}{})\n", report.unknown.size(),
                    report.unknown.front(), report.unknown.size() > 1 ? ", ..." : "");
  }
  return text.empty() ? "" : "\n" + text;
}

// How many of each split and reason, and the first of them.
std::string problems_text(const data::CheckReport& report) {
  std::map<std::pair<std::string, std::string>, std::vector<const data::Problem*>> groups;
  for (const auto& problem : report.problems) {
    groups[{problem.split, problem.reason}].push_back(&problem);
  }
  std::string text;
  for (const auto& [key, problems] : groups) {
    text += fmt::format("\n{}, {}: {} videos\n", key.first, key.second, problems.size());
    for (size_t i = 0; i < std::min(kNamed, problems.size()); ++i) {
      text += "  " + problems[i]->message + "\n";
    }
    if (problems.size() > kNamed) text += "  ...\n";
  }
  return text;
}

std::string to_json(const data::CheckReport& report) {
  nlohmann::ordered_json json = {{"shrinks", report.shrinks()},
                                 {"unknown_skipped_ids", report.unknown},
                                 {"splits", nlohmann::json::array()},
                                 {"problems", nlohmann::json::array()}};
  for (const auto& split : report.splits) {
    nlohmann::ordered_json sources = nlohmann::json::array(), reasons = nlohmann::json::object();
    for (const auto& source : split.sources) {
      sources.push_back({{"file", source.path.string()},
                         {"md5", source.md5},
                         {"published", source.published},
                         {"verdict", verdict(source)}});
    }
    for (const auto& problem : report.problems) {
      if (problem.split != split.split) continue;
      reasons[problem.reason] = reasons.value(problem.reason, 0) + 1;
    }
    json["splits"].push_back({{"split", split.split},
                              {"name", split.name},
                              {"error", split.error},
                              {"videos", split.videos},
                              {"captions", split.captions},
                              {"captions_min", split.fewest},
                              {"captions_mean", mean_captions(split)},
                              {"captions_max", split.most},
                              {"skipped", split.skipped},
                              {"unusable", split.unusable},
                              {"reasons", reasons},
                              {"notes", split.notes},
                              {"annotations", sources}});
  }
  for (const auto& problem : report.problems) {
    json["problems"].push_back({{"split", problem.split},
                                {"id", problem.id},
                                {"file", problem.path.string()},
                                {"reason", problem.reason},
                                {"message", problem.message},
                                {"fatal", problem.fatal}});
  }
  // A file's name need not be UTF-8.
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

int check(const Flags& flags) {
  VTR_CHECK(!(flags.quick && flags.decode), "--quick and --decode: give one of them");
  const auto experiment = read_experiment(flags.config, flags.overrides);
  std::optional<report::Progress> progress;
  data::CheckOptions options{.depth = flags.quick    ? data::CheckDepth::files
                                      : flags.decode ? data::CheckDepth::decode
                                                     : data::CheckDepth::open,
                             .seed = static_cast<uint64_t>(experiment.train.seed),
                             .strict = flags.strict};
  options.progress = [&](int64_t total) {
    if (!progress) progress.emplace("check", "videos", total);
    progress->advance(1);
  };
  const auto report = data::check(experiment.data, experiment.video, options);
  progress.reset();
  std::string text =
      splits_text(report) + sources_text(report) + notes_text(report) + problems_text(report);
  if (std::ranges::any_of(report.problems, &data::Problem::fatal)) {
    text +=
        "\na split would shrink: mend the files, or leave them out by --fix-list FILE here and"
        " data.skip_list=FILE in training and evaluation\n";
  }
  print_result(text, flags.json, to_json(report));
  if (!flags.fix_list.empty()) write_file(flags.fix_list, report.fix_list());
  return report.shrinks() ? 1 : 0;
}

}  // namespace

Action add_data_check(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->add(app);
  app.add_option("--json", flags->json, "write the findings there too");
  app.add_option("--fix-list", flags->fix_list,
                 "write the videos that cannot be used there, for data.skip_list");
  app.add_flag("--quick", flags->quick, "only look whether the files are there");
  auto* decode = app.add_flag("--decode", flags->decode, "decode every file to its end");
  app.add_flag("--strict", flags->strict, "count damaged files that can be decoded as unusable")
      ->needs(decode);
  return [flags] { return check(*flags); };
}

}  // namespace vtr::cli
