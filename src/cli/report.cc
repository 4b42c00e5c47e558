#include "report_page.h"
#include "report_sections.h"

#include "vtr/core/error.h"

#include <algorithm>
#include <cctype>
#include <iostream>
#include <memory>
#include <set>

namespace vtr::cli {
namespace {

struct Flags {
  std::vector<std::string> runs;
  std::string out, split;
  int64_t queries = 5;
};

// A file's name that is a link as it stands, and is not in `taken`.
std::string file_name(const std::string& run, std::set<std::string>& taken) {
  std::string base = run;
  for (char& c : base) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
  }
  if (base == "index") base = "index_";
  std::string name = base + ".html";
  for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}.html", base, i);
  return name;
}

report::SortableTable table_of(const std::vector<RunReport>& runs) {
  report::SortableTable table{"The runs, text to video and back", {}, {}};
  table.header = {"run",     "head", "temporal", "K",   "tested on", "seed",
                  "t2v R@1", "R@5",  "R@10",     "MdR", "MnR",       "v2t R@1"};
  for (const auto& run : runs) {
    const auto& e = run.experiment;
    const auto& options = e.model.head.options;
    const auto option = [&](const char* name) {
      return options[name] ? options[name].as<std::string>() : std::string("-");
    };
    table.rows.push_back({{run.name, run.file},
                          {e.model.head.name},
                          {option("temporal")},
                          {option("topk")},
                          {e.data.dataset + " " + e.data.test},
                          {std::to_string(e.train.seed)},
                          {figure(run.t2v.r1)},
                          {figure(run.t2v.r5)},
                          {figure(run.t2v.r10)},
                          {figure(run.t2v.mdr)},
                          {figure(run.t2v.mnr)},
                          {figure(run.v2t.r1)}});
  }
  return table;
}

void write(const fs::path& path, const report::Page& page) {
  write_file(path, report::to_html(page));
  std::cout << path.string() << std::endl;
}

void write_all(std::vector<RunReport>& runs, const fs::path& folder) {
  fs::create_directories(folder);
  std::vector<report::Link> links = {{"All runs", "index.html"}};
  std::set<std::string> taken;
  for (auto& run : runs) {
    run.file = file_name(run.name, taken);
    links.push_back({run.name, run.file});
  }
  for (auto& run : runs) {
    run.page.pages = links;
    std::erase_if(run.page.pages, [&](const auto& link) { return link.href == run.file; });
    write(folder / run.file, run.page);
  }
  report::Page index{"Report", fmt::format("{} runs, a page each.", runs.size()), {}, {}};
  index.sections.push_back({"runs", "Runs", {table_of(runs)}});
  write(folder / "index.html", index);
}

int report_all(const Flags& flags) {
  // RUN and option=value stand in one list.
  std::vector<std::string> runs, overrides;
  for (const auto& word : flags.runs) {
    const bool is_option = word.find('=') != std::string::npos && !fs::exists(word);
    (is_option ? overrides : runs).push_back(word);
  }
  if (!flags.split.empty()) overrides.push_back("data.test=" + flags.split);
  VTR_CHECK(!runs.empty(), "vtr report: which run? vtr report RUN [RUN ...]");
  auto subjects = open_subjects(runs, {"", overrides});
  std::vector<RunReport> reports;
  const bool single = subjects.size() == 1;
  VTR_CHECK(single || fs::path(flags.out).extension() != ".html",
            "--out {}: {} runs get a page each: name a folder", flags.out, subjects.size());
  const fs::path folder = !flags.out.empty() ? fs::path(flags.out) : subjects.front().run;
  VTR_CHECK(single || !flags.out.empty(), "--out DIR: where the {} pages go", subjects.size());
  for (auto& subject : subjects) reports.push_back(report_on(std::move(subject), flags.queries));
  if (!single) {
    write_all(reports, folder);
  } else {
    const bool is_file = folder.extension() == ".html";
    if (!is_file) fs::create_directories(folder);
    write(is_file ? folder : folder / "report.html", reports.front().page);
  }
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("runs", flags->runs,
                 "runs' folders or checkpoints; and option=value, laid over their configurations: "
                 "data.features=DIR")
      ->required();
  app.add_option("--out", flags->out,
                 "FILE.html, or a folder: of one run its own, of several needed");
  app.add_option("--split", flags->split, "test split instead of data.test");
  app.add_option("--queries", flags->queries, "queries shown of the best and of the worst")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  return [flags] { return report_all(*flags); };
}

}  // namespace

Command report_command() {
  return {"report", "runs as pages of HTML: figures, curves, queries with their frames", add};
}

}  // namespace vtr::cli
