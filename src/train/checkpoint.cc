#include "vtr/train/checkpoint.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/models/weights/copy.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace vtr::train {
namespace {

constexpr const char* kModel = "model.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.yaml";
constexpr const char* kDone = "DONE";
constexpr const char* kEncoders = "clip.";

fs::path folder_of(const fs::path& run) { return run / "checkpoints"; }

std::string name_of(int64_t step) { return fmt::format("step_{:08}", step); }

// Checkpoints that are whole, or those that are not, oldest first: their names sort by step.
std::vector<fs::path> checkpoints(const fs::path& run, bool whole) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder_of(run))) return found;
  for (const auto& entry : fs::directory_iterator(folder_of(run))) {
    const bool named = entry.path().filename().string().starts_with("step_");
    if (named && fs::exists(entry.path() / kDone) == whole) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<fs::path> whole_checkpoints(const fs::path& run) { return checkpoints(run, true); }

// First what makes it count, so that half a removal leaves none that does.
void remove_checkpoint(const fs::path& folder) {
  fs::remove(folder / kDone);
  fs::remove_all(folder);
}

fs::path best_of(const fs::path& run) {
  const fs::path link = folder_of(run) / "best";
  return fs::is_symlink(link) ? folder_of(run) / fs::read_symlink(link) : fs::path();
}

// A file of a checkpoint, its bytes those that were written.
fs::path checked(const fs::path& folder, const std::string& name) {
  const fs::path file = folder / name;
  std::istringstream sums(read_file(folder / kDone));
  for (std::string sum, listed; sums >> sum >> listed;) {
    if (listed != name) continue;
    VTR_CHECK(
        sha256_of_file(file) == sum,
        "{}: damaged: its SHA-256 is not the one in {}; remove {} to use an earlier checkpoint",
        file.string(), kDone, folder.string());
    return file;
  }
  throw Error(fmt::format("{}: {} has no checksum of it", file.string(), kDone));
}

std::pair<models::TensorMap, models::TensorMap> encoders_and_head(const models::TensorMap& all) {
  std::pair<models::TensorMap, models::TensorMap> parts;
  for (const auto& item : all) {
    (item.first.starts_with(kEncoders) ? parts.first : parts.second).push_back(item);
  }
  return parts;
}

fs::path weights_file(const fs::path& path) {
  if (fs::is_regular_file(path)) {
    const bool of_checkpoint = path.filename() == kModel && fs::exists(path.parent_path() / kDone);
    return of_checkpoint ? checked(path.parent_path(), kModel) : path;
  }
  if (fs::exists(path / kModel)) return checked(path, kModel);
  VTR_CHECK(fs::is_directory(folder_of(path)),
            "{}: neither a run's folder, a checkpoint nor a safetensors file", path.string());
  return checked(chosen_checkpoint(path).folder, kModel);
}

}  // namespace

models::TensorMap module_tensors(const torch::nn::Module& model) {
  models::TensorMap result;
  for (const auto& item : model.named_parameters())
    result.emplace_back(item.key(), item.value().detach());
  for (const auto& item : model.named_buffers()) result.emplace_back(item.key(), item.value());
  return result;
}

fs::path save_checkpoint(const fs::path& run, const Snapshot& snapshot) {
  const int64_t step = snapshot.state.step;
  const fs::path folder = folder_of(run) / name_of(step);
  const fs::path aside = folder_of(run) / ".writing";
  try {
    fs::remove_all(aside);  // of a run that was killed while it wrote
    fs::create_directories(aside);
    models::save_safetensors(aside / kModel, snapshot.model);
    models::save_safetensors(aside / kOptimizer, snapshot.optimizer);
    write_file(aside / kState, config::to_text(config::write(snapshot.state)));
    std::string sums;
    for (const char* name : {kModel, kOptimizer, kState}) {
      sums += fmt::format("{}  {}\n", sha256_of_file(aside / name), name);
    }
    write_file(aside / kDone, sums);
    sync_path(aside);
    remove_checkpoint(folder);  // of the same step
    fs::rename(aside, folder);
    sync_path(folder_of(run));
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(aside, ignored);
    const auto kept = whole_checkpoints(run);
    throw Error(
        fmt::format("the checkpoint of step {} could not be written: {}; {}", step, error.what(),
                    kept.empty() ? "there is no earlier one" : "kept: " + kept.back().string()));
  }
  return folder;
}

void mark_best(const fs::path& run, int64_t step) {
  if (!fs::exists(folder_of(run) / name_of(step) / kDone)) return;
  const fs::path aside = folder_of(run) / ".best";
  fs::remove(aside);
  fs::create_symlink(name_of(step), aside);
  fs::rename(aside, folder_of(run) / "best");
}

void prune_checkpoints(const fs::path& run, int64_t keep) {
  // What a removal left behind that was killed.
  for (const auto& part : checkpoints(run, /*whole=*/false)) fs::remove_all(part);
  const auto found = whole_checkpoints(run);
  const fs::path best = best_of(run);
  for (size_t i = 0; i + static_cast<size_t>(keep) < found.size(); ++i) {
    if (found[i] != best) remove_checkpoint(found[i]);
  }
}

Checkpoint open_checkpoint(const fs::path& folder) {
  VTR_CHECK(fs::exists(folder / kDone), "{}: not a whole checkpoint (no {} in it)", folder.string(),
            kDone);
  const std::string state = read_file(checked(folder, kState));
  return {folder, config::read<TrainState>(YAML::Load(state), "state")};
}

std::optional<Checkpoint> latest_checkpoint(const fs::path& run) {
  const auto found = whole_checkpoints(run);
  if (found.empty()) return std::nullopt;
  return open_checkpoint(found.back());
}

Checkpoint chosen_checkpoint(const fs::path& run) {
  const fs::path best = best_of(run);
  if (!best.empty() && fs::exists(best / kDone)) return open_checkpoint(best);
  const auto latest = latest_checkpoint(run);
  VTR_CHECK(latest,
            "{0}: there is no checkpoint in it; vtr train --run {0} --resume goes on until one",
            run.string());
  return *latest;
}

void load_model(torch::nn::Module& model, const fs::path& checkpoint) {
  const fs::path file = checked(checkpoint, kModel);
  models::copy_parameters(model, models::load_safetensors(file), file.string());
}

models::TensorMap load_optimizer(const fs::path& checkpoint) {
  return models::load_safetensors(checked(checkpoint, kOptimizer));
}

std::vector<std::string> init_from(torch::nn::Module& model, const fs::path& path) {
  const fs::path file = weights_file(path);
  const auto [encoders, head] = encoders_and_head(models::load_safetensors(file));
  const auto [into_encoders, into_head] = encoders_and_head(module_tensors(model));
  models::copy_parameters(into_encoders, encoders, file.string());
  const std::map<std::string, Tensor> found(head.begin(), head.end());
  std::vector<std::string> missing;
  for (const auto& [name, value] : into_head) {
    const auto from = found.find(name);
    if (from == found.end() || from->second.sizes() != value.sizes()) {
      missing.push_back(name);
    } else {
      value.copy_(from->second);
    }
  }
  return missing;
}

}  // namespace vtr::train
