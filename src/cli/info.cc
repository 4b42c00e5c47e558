#include "commands.h"
#include "experiment.h"

#include "vtr/models/weights/weights.h"

#include <fmt/format.h>

#include <memory>

namespace vtr::cli {
namespace {

struct Flags {
  std::string weights, json;
};

int info(const Flags& flags) {
  const auto found = models::open_weights(flags.weights).info;
  report::Record record = {{"file", flags.weights},
                           {"kind", found.kind},
                           {"encoder", found.encoders},
                           {"dtype", found.dtype},
                           {"parameters", found.parameters},
                           {"tensors", found.tensors},
                           {"bytes", found.bytes}};
  for (const auto& option : found.options) {
    const auto name = option.first.as<std::string>(), value = option.second.as<std::string>();
    int64_t number = 0;
    const bool whole = YAML::convert<int64_t>::decode(option.second, number);
    record.emplace_back(name, whole ? report::Value(number) : report::Value(value));
  }
  std::string text;
  for (const auto& [name, value] : record) {
    text += fmt::format("{:<18} {}\n", name,
                        std::visit([](const auto& v) { return fmt::format("{}", v); }, value));
  }
  print_result(text, flags.json, report::to_json(record) + "\n");
  return 0;
}

Action add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--weights", flags->weights, "archive, Hugging Face folder or safetensors")
      ->required();
  app.add_option("--json", flags->json, "write it there too, as an object");
  return [flags] { return info(*flags); };
}

}  // namespace

Command info_command() { return {"info", "what a weights file holds: kind, sizes, dtype", add}; }

}  // namespace vtr::cli
