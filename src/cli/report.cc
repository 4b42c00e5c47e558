#include "report_page.h"
#include "report_sections.h"

#include "vtr/core/error.h"
#include "vtr/sweep/overview.h"

#include <algorithm>
#include <cctype>
#include <iostream>
#include <memory>
#include <set>

namespace vtr::cli {
namespace {

struct Flags {
  std::vector<std::string> words;
  std::string out, split;
  int64_t queries = 5;
};

// Of each its path below the folder that all their runs are in: "a", or "a/seed1".
std::vector<std::string> names_of(const std::vector<Subject>& subjects) {
  fs::path base;
  const auto is_below = [&](const fs::path& run) {
    return *run.lexically_relative(base).begin() != "..";
  };
  for (const auto& subject : subjects) {
    const fs::path folder = fs::canonical(subject.run).parent_path();
    if (base.empty()) base = folder;
    while (!is_below(folder)) base = base.parent_path();
  }
  std::vector<std::string> names;
  for (const auto& subject : subjects) {
    names.push_back(fs::canonical(subject.label).lexically_relative(base).string());
  }
  return names;
}

// A file's name that is a link as it stands, and is not in `taken`.
std::string file_name(const std::string& run, std::set<std::string>& taken) {
  std::string base = run;
  for (char& c : base) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
  }
  std::string name = base + ".html";
  for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}.html", base, i);
  return name;
}

report::SortableTable table_of(const std::vector<RunReport>& runs) {
  report::SortableTable table{"The runs, text to video and back", {}, {}};
  table.header = {"run", "head", "temporal", "K", "tested on", "seed"};
  for (const char* direction : {"t2v ", "v2t "}) {
    for (const auto& column : kColumns)
      table.header.push_back(direction + std::string(column.name));
  }
  for (const auto& run : runs) {
    const auto& e = run.experiment;
    const auto& options = e.model.head.options;
    const auto option = [&](const char* name) {
      return options[name] ? options[name].as<std::string>() : std::string("-");
    };
    auto& row = table.rows.emplace_back();
    row = {{run.name, run.file},
           {e.model.head.name +
            (e.eval.rerank.name == "none" ? "" : " + " + e.eval.rerank.name + ", transductive")},
           {option("temporal")},
           {option("topk")},
           {e.data.dataset + " " + e.data.test},
           {std::to_string(e.train.seed)}};
    for (const auto* found : {&run.results.t2v, &run.results.v2t}) {
      for (const auto& column : kColumns) {
        row.push_back({fmt::format("{:.1f}", found->metrics.*column.ours)});
      }
    }
  }
  return table;
}

// The sweep's own table and plots.
report::Section section_of(const fs::path& folder, size_t number) {
  const auto overview = sweep::read_overview(folder);
  const std::string name = fs::canonical(folder).filename().string();
  report::SortableTable table{
      "Mean and standard deviation over the seeds", overview.table.header(), {}};
  for (const auto& row : overview.table.rows()) {
    auto& cells = table.rows.emplace_back();
    for (const auto& text : row) cells.push_back({text});
  }
  report::Section section{fmt::format("sweep{}", number), "Sweep " + name, {table}};
  if (!overview.missing.empty()) section.blocks.push_back(report::Paragraph{overview.missing});
  for (const auto& [title, svg] : overview.plots) {
    section.blocks.push_back(report::Drawing{svg, title});
  }
  return section;
}

void write(const fs::path& path, const report::Page& page) {
  write_file(path, report::to_html(page));
  std::cout << path.string() << std::endl;
}

// A page for each run, linked with the others, and one for all and the sweeps.
void write_all(std::vector<RunReport>& runs, const std::vector<std::string>& sweeps,
               const fs::path& folder) {
  fs::create_directories(folder);
  std::vector<report::Link> links = {{"All runs", "index.html"}};
  std::set<std::string> taken = {"index.html"};
  for (auto& run : runs) {
    run.file = file_name(run.name, taken);
    links.push_back({run.name, run.file});
  }
  for (auto& run : runs) {
    run.page.pages = links;
    std::erase_if(run.page.pages, [&](const auto& link) { return link.href == run.file; });
    write(folder / run.file, run.page);
  }
  report::Page index{
      "Report", fmt::format("{} runs, {} sweeps", runs.size(), sweeps.size()), {}, {}};
  if (!runs.empty()) index.sections.push_back({"runs", "Runs", {table_of(runs)}});
  for (const auto& sweep : sweeps) {
    index.sections.push_back(section_of(sweep, index.sections.size()));
  }
  write(folder / "index.html", index);
}

// The words of the command line, which CLI11 gives as one list.
struct Words {
  std::vector<std::string> runs, sweeps, overrides;
};

Words words_of(const Flags& flags) {
  Words words;
  for (const auto& word : flags.words) {
    const bool is_option = word.find('=') != std::string::npos && !fs::exists(word);
    (is_option               ? words.overrides
     : sweep::is_sweep(word) ? words.sweeps
                             : words.runs)
        .push_back(word);
  }
  if (!flags.split.empty()) words.overrides.push_back("data.test=" + flags.split);
  VTR_CHECK(words.runs.size() + words.sweeps.size() > 0,
            "which run or sweep? vtr report RUN [RUN ...]");
  return words;
}

int report_all(const Flags& flags) {
  const auto [runs, sweeps, overrides] = words_of(flags);
  const bool single = runs.size() == 1 && sweeps.empty();
  const fs::path out = flags.out;
  const bool is_file = out.extension() == ".html";
  VTR_CHECK(single || !is_file, "--out {}: there are several pages: name a folder", flags.out);
  VTR_CHECK(single || !out.empty(), "--out DIR is needed: where the pages go");
  std::vector<Subject> subjects;
  if (!runs.empty()) subjects = open_subjects(runs, {"", overrides});
  const auto names = names_of(subjects);
  std::vector<RunReport> reports;
  for (size_t i = 0; i < subjects.size(); ++i) {
    reports.push_back(report_on(subjects[i], names[i], flags.queries));
  }
  if (!single) {
    write_all(reports, sweeps, out);
    return 0;
  }
  const fs::path folder = out.empty() ? subjects.front().run : out;
  if (!is_file) fs::create_directories(folder);
  write(is_file ? out : folder / "report.html", reports.front().page);
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("runs", flags->words,
                 "folders of runs or sweeps, or checkpoints; and option=value, laid over the runs' "
                 "configurations: data.features=DIR")
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
