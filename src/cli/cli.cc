#include "vtr/cli/cli.h"

#include "commands.h"

#include "vtr/core/cores.h"
#include "vtr/core/error.h"
#include "vtr/core/files.h"
#include "vtr/core/log.h"
#include "vtr/core/table.h"
#include "vtr/models/matmul.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <malloc.h>
#include <memory>

namespace vtr::cli {
namespace {

constexpr int kFailed = 1, kUsage = 2;

// Every error ends here, as lines that start with the program's name.
int report(const std::string& message, int code) {
  log::write_to_files("error: " + message);
  std::fprintf(stderr, "vtr: %s\n", message.c_str());
  return code;
}

// CLI11 would only say that a subcommand is required. "" where nothing stands in its place.
std::string unknown_command(const CLI::App& app) {
  const auto words = app.remaining(/*recurse=*/true);
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::vector<std::string> known;
  for (const auto* sub : at->get_subcommands([](const CLI::App*) { return true; })) {
    known.push_back(sub->get_name());
  }
  if (words.empty() || words.front().starts_with('-') || known.empty()) return "";
  const std::string near = nearest(words.front(), known);
  return fmt::format("unknown command '{}' ({})", words.front(),
                     near.empty() ? fmt::format("known: {}", fmt::join(known, ", "))
                                  : fmt::format("did you mean {}?", near));
}

// What no flag or option takes: flags with the nearest of the command's own.
std::string unexpected(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::vector<std::string> known;
  for (const auto* of : {at, &app}) {
    for (const auto* option : of->get_options()) {
      for (const auto& name : option->get_lnames()) known.push_back("--" + name);
    }
  }
  const std::string word = app.remaining(/*recurse=*/true).front();
  const std::string flag = word.substr(0, word.find('='));
  const std::string near = nearest(flag, known);
  const bool is_option = flag.starts_with("--") && flag.find('.') != std::string::npos;
  return fmt::format("{}: not expected here{}", word,
                     is_option
                         ? fmt::format(": write {}{}", word.substr(2), flag == word ? "=VALUE" : "")
                     : near.empty() ? fmt::format(" (vtr {} --help)", at->get_name())
                                    : fmt::format(" (did you mean {}?)", near));
}

int refuse(const CLI::App& app, const CLI::ParseError& error) {
  const bool misses = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
  const std::string unknown = misses ? unknown_command(app) : "";
  if (!unknown.empty()) return report(unknown, kUsage);
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError))
    return report(unexpected(app), kUsage);
  return app.exit(error, std::cout, std::cerr) == 0 ? 0 : kUsage;
}

// glibc hands every large tensor back to the system, and the next step pays its page faults anew.
void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

// LibTorch's own number of threads knows no quota of a container.
void keep_to_own_cores() {
  const auto own = static_cast<int>(cores());
  if (std::getenv("OMP_NUM_THREADS") == nullptr && own < at::get_num_threads())
    at::set_num_threads(own);
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      train_command(),  eval_command(),  compare_command(), sweep_command(),    report_command(),
      encode_command(), score_command(), bench_command(),   data_command(),     import_command(),
      export_command(), info_command(),  list_command(),    tokenizer_command()};
  return table;
}

Action add_subcommands(CLI::App& app, const std::vector<Command>& parts) {
  auto chosen = std::make_shared<std::vector<std::pair<CLI::App*, Action>>>();
  for (const auto& part : parts) {
    auto* sub = app.add_subcommand(part.name, part.summary);
    chosen->emplace_back(sub, part.add(*sub));
  }
  app.require_subcommand(1);
  return [chosen] {
    for (const auto& [sub, action] : *chosen) {
      if (sub->parsed()) return action();
    }
    return kUsage;
  };
}

void ConfigFlags::add(CLI::App& app) {
  app.add_option("--config", config, "configuration: a file, or a name in configs/");
  app.add_option("overrides", overrides,
                 "option=value, laid over the configuration: train.epochs=3");
}

void check_file(const char* flag, const std::string& file) {
  if (file.empty()) return;
  VTR_CHECK(!fs::is_directory(file), "{} {}: is a folder, a file is needed", flag, file);
  try {
    const AsideFile goes_again(file);
  } catch (const Error& error) {
    throw Error(fmt::format("{} {}: cannot be written: {}", flag, file, error.what()));
  }
}

void print_result(const std::string& text, const std::string& json, const std::string& json_text) {
  std::cout << text << std::flush;
  if (!json.empty()) write_file(json, json_text);
}

void print_record(const report::Record& record, const std::string& json) {
  std::string text;
  for (const auto& [name, value] : record) {
    text += fmt::format("{:<28} {}\n", name,
                        std::visit([](const auto& v) { return fmt::format("{}", v); }, value));
  }
  print_result(text, json, report::to_json(record) + "\n");
}

int run(std::vector<std::string> arguments) {
  keep_memory();
  keep_to_own_cores();
  CLI::App app("vtr: text-video retrieval, trained, evaluated and ablated from one program", "vtr");
  app.set_version_flag("--version", VTR_VERSION);
  app.set_help_all_flag("--help-all", "help of every command");
  app.fallthrough();
  std::string level = "info", matmul = "auto";
  app.add_option("--log-level", level, "debug, info, warning, error");
  app.add_option(
         "--matmul", matmul,
         "float32 products on the CPU: mkl, onednn (faster on AMD's with AVX-512; rounds to "
         "bfloat16 on CPUs with AMX), or auto: onednn where it is faster and as exact")
      ->check(CLI::IsMember({"auto", "mkl", "onednn"}));
  const Action action = add_subcommands(app, commands());
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(arguments);
    log::set_level(level);
    models::choose_matmul(matmul);
    const int code = action();
    VTR_CHECK(std::cout.flush(), "stdout: what was printed could not be written");
    return code;
  } catch (const CLI::ParseError& error) {
    return refuse(app, error);
  } catch (const c10::Error& error) {
    return report(error.what_without_backtrace(), kFailed);
  } catch (const std::exception& error) {
    return report(error.what(), kFailed);
  }
}

int main(int argc, char** argv) { return run({argv + 1, argv + argc}); }

}  // namespace vtr::cli
