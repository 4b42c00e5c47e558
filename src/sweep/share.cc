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

// A store finds videos by their ids, so that which ones the seed holds back to validate matters to
// features alone, where training looks at videos in another way than evaluation. Else none is.
Node without_drawn_split(const Node& e, bool features) {
  const auto alike = [&](const char* training, const char* evaluation) {
    return text(e, "video", training) == text(e, "video", evaluation);
  };
  const bool same = alike("train_sampling", "sampling") && alike("train_crop", "crop");
  if (features && !same) return e;
  return config::merge(e, config::parse_overrides({"data.val_fraction=0"}));
}

// Whether the seed draws values of the encoders: those of dgl and stan that no CLIP has, too.
bool has_drawn_weights(const Node& e) {
  static const std::vector<std::string> kWhole = {"clip", "torchscript", "ts2_shift", "centerclip"};
  return text(e, "model", "weights").empty() ||
         std::ranges::count(kWhole, e["model"]["encoder"]["name"].as<std::string>()) == 0;
}

bool has_validation(const Node& e) {
  return !text(e, "data", "val").empty() || e["data"]["val_fraction"].as<double>() > 0;
}

// Cells of one key look at the same frames with the same encoders.
std::string key(const Request& request, const Node& e, bool features) {
  Node parts(YAML::NodeType::Sequence);
  parts.push_back(request.without_places(e)["data"]);
  for (const char* place : {"root", "videos"}) parts.push_back(e["data"][place]);
  for (const auto& part : {e["video"], e["model"]["encoder"], e["model"]["weights"]}) {
    parts.push_back(part);
  }
  if (features) {
    parts.push_back(e["text"]);
    parts.push_back(e["eval"]);
  }
  const bool drawn_split = e["data"]["val_fraction"].as<double>() > 0;
  if (drawn_split || (features && has_drawn_weights(e))) parts.push_back(e["train"]["seed"]);
  return sha256(config::to_text(parts)).substr(0, 8);
}

// What any of the cells asks for, as the cells of one store may differ in it.
void add_splits(const Request& request, const Node& e, std::vector<std::string>& command) {
  const auto& tests = request.options.evaluate;
  const bool on_test = std::ranges::any_of(request.cells, [](const Cell& cell) {
    return text(cell.experiment, "train", "select_on") == "test";
  });
  std::vector<std::string> splits = {"train"};
  if (has_validation(e)) splits.push_back("val");
  splits.insert(splits.end(), tests.begin(), tests.end());
  if (tests.empty() || on_test) splits.push_back("test");
  for (const auto& split : splits) command.insert(command.end(), {"--split", split});
}

bool reads_features(const SweepOptions& options, const Node& e) {
  return options.features == "shared" && text(e, "train", "encode_once") == "true" &&
         text(e, "data", "features").empty() && text(e, "train", "init_from").empty();
}

Store new_store(const Request& request, const Node& cell, bool features) {
  const Node experiment = without_drawn_split(cell, features);
  const std::string kind = features ? "features" : "frames";
  const std::string name = kind + "/" + key(request, experiment, features);
  const fs::path folder = fs::absolute(request.folder / name);
  const fs::path file = folder.string() + ".yaml";
  std::vector<std::string> command = {"--config", file.string(), "--out", folder.string()};
  const std::vector<std::string> maker = features
                                             ? std::vector<std::string>{"encode", "--dtype", "fp32"}
                                             : std::vector<std::string>{"data", "pack"};
  command.insert(command.begin(), maker.begin(), maker.end());
  add_splits(request, experiment, command);
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
