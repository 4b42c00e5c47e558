// The commands of the table, and the flags several of them share.
#pragma once

#include "vtr/config/options.h"
#include "vtr/report/run.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vtr::cli {

using Action = std::function<int()>;  // returns the exit code

// A command adds its own flags to `app` and gives back what it does once they are read.
struct Command {
  std::string name, summary;
  Action (*add)(CLI::App& app);
};

Command train_command();
Command eval_command();
Command compare_command();
Command report_command();
Command encode_command();
Command sweep_command();
Command data_command();
Command tokenizer_command();
Command info_command();
Command export_command();
Command import_command();
Command list_command();
Command score_command();
Command bench_command();

const std::vector<Command>& commands();
// Adds `parts` as subcommands of `app`; one of them is needed. The action is that of the chosen
// one.
Action add_subcommands(CLI::App& app, const std::vector<Command>& parts);

// --config NAME, and option=value at the end of the line.
struct ConfigFlags {
  std::string config;
  std::vector<std::string> overrides;
  void add(CLI::App& app);
};

// Every field of an options struct as a flag of a command: `min_events` is --min-events.
template <class T>
class StructFlags {
 public:
  void add(CLI::App& app) {
    for (const auto& row : config::help<T>("")) {
      const std::string flag = "--" + CLI::detail::find_and_replace(row.name, "_", "-");
      if (row.value == "true" || row.value == "false") {
        app.add_flag(flag + "{true}", given_[row.name], row.help);
      } else {
        app.add_option(flag, given_[row.name], row.help + " [" + row.value + "]");
      }
    }
  }
  T read() const {
    config::Node node(YAML::NodeType::Map);
    for (const auto& [name, value] : given_) {
      if (!value.empty()) node[name] = value;
    }
    return config::read<T>(node, "");
  }

 private:
  std::map<std::string, std::string> given_;
};

// Throws Error, which names the flag, for a file that cannot be written; nothing for "". Asked
// before the work, not after it.
void check_file(const char* flag, const std::string& file);

// Prints `text` to stdout and, when `json` is not "", writes `json_text` there.
void print_result(const std::string& text, const std::string& json, const std::string& json_text);
// A record as lines of names and values, and as JSON.
void print_record(const report::Record& record, const std::string& json);

}  // namespace vtr::cli
