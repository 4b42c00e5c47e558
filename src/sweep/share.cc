#include "share.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/hash.h"

#include <algorithm>

namespace vtr::sweep {
namespace {

using config::Node;

std::string text(const Node& experiment, const char* section, const char* option) {
  return experiment[section][option].as<std::string>();
}

bool has_validation(const Node& e) {
  return !text(e, "data", "val").empty() || e["data"]["val_fraction"].as<double>() > 0;
}

// Cells of one key look at the same frames with the same encoders.
std::string key(const Node& e, bool features) {
  Node parts(YAML::NodeType::Sequence);
  for (const auto& part : {e["data"], e["video"], e["model"]["encoder"], e["model"]["weights"]}) {
    parts.push_back(part);
  }
  if (features) {
    parts.push_back(e["text"]);
    parts.push_back(e["eval"]);
  }
  const bool random_encoders = features && text(e, "model", "weights").empty();
  const bool drawn_split = e["data"]["val_fraction"].as<double>() > 0;
  if (random_encoders || drawn_split) parts.push_back(e["train"]["seed"]);
  return sha256(config::to_text(parts)).substr(0, 8);
}

void add_splits(const Node& e, const std::vector<std::string>& tests,
                std::vector<std::string>& command) {
  std::vector<std::string> splits = {"train"};
  if (has_validation(e)) splits.push_back("val");
  splits.insert(splits.end(), tests.begin(), tests.end());
  if (tests.empty() || text(e, "train", "select_on") == "test") splits.push_back("test");
  for (const auto& split : splits) command.insert(command.end(), {"--split", split});
}

bool reads_features(const SweepOptions& options, const Node& e) {
  return options.features == "shared" && text(e, "train", "encode_once") == "true" &&
         text(e, "data", "features").empty();
}

Store new_store(const Request& request, const Node& experiment, bool features) {
  const std::string kind = features ? "features" : "frames";
  const std::string name = kind + "/" + key(experiment, features);
  const fs::path folder = fs::absolute(request.folder / name);
  const fs::path file = folder.string() + ".yaml";
  std::vector<std::string> command = {"--config", file.string(), "--out", folder.string()};
  const std::vector<std::string> maker = features
                                             ? std::vector<std::string>{"encode", "--dtype", "fp32"}
                                             : std::vector<std::string>{"data", "pack"};
  command.insert(command.begin(), maker.begin(), maker.end());
  add_splits(experiment, request.options.evaluate, command);
  return {.job = {.name = name, .commands = {command}, .log = folder.string() + ".log"},
          .option = (features ? "data.features=" : "data.store=") + folder.string(),
          .file = file,
          .experiment = config::to_text(experiment)};
}

// What the head of one of the cells reads, all of them have.
void add_extras(const Cell& cell, const Extras& extras, std::vector<std::string>& command) {
  try {
    for (const auto& flag : extras(cell.experiment)) {
      if (std::ranges::count(command, flag) == 0) command.push_back(flag);
    }
  } catch (const Error& error) {
    throw Error(fmt::format("cell {}: {}", cell.variant, error.what()));
  }
}

}  // namespace

std::vector<Store> shared_stores(const Request& request, const std::vector<size_t>& wanted,
                                 const Extras& extras) {
  std::vector<Store> stores;
  for (const size_t index : wanted) {
    const Node& e = request.cells[index].experiment;
    const bool features = reads_features(request.options, e);
    const bool frames = !features && request.options.frames == "packed" &&
                        text(e, "data", "store").empty() && text(e, "data", "features").empty();
    if (!features && !frames) continue;
    Store fresh = new_store(request, e, features);
    auto store = std::ranges::find(stores, fresh.option, &Store::option);
    if (store == stores.end()) store = stores.insert(stores.end(), std::move(fresh));
    store->cells.push_back(index);
    if (features) add_extras(request.cells[index], extras, store->job.commands.front());
  }
  return stores;
}

}  // namespace vtr::sweep
