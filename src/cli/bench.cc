#include "bench.h"

#include <fmt/format.h>

namespace vtr::cli {
namespace {

Action add(CLI::App& app) {
  return add_subcommands(
      app,
      {{"score", "naive and factored scoring side by side, on random features", add_bench_score},
       {"decode", "video files to the frames a model takes", add_bench_decode}});
}

}  // namespace

void print_record(const report::Record& record, const std::string& json) {
  std::string text;
  for (const auto& [name, value] : record) {
    text += fmt::format("{:<20} {}\n", name,
                        std::visit([](const auto& v) { return fmt::format("{}", v); }, value));
  }
  print_result(text, json, report::to_json(record) + "\n");
}

Command bench_command() { return {"bench", "measure this machine", add}; }

}  // namespace vtr::cli
