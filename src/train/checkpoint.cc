#include "vtr/train/checkpoint.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/models/weights/copy.h"

#include <torch/torch.h>

#include <algorithm>

namespace vtr::train {
namespace {

constexpr const char* kDone = "DONE";

fs::path folder_of(const fs::path& run) { return run / "checkpoints"; }

// Whole checkpoints, oldest first: their names sort by step.
std::vector<fs::path> whole_checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder_of(run))) return found;
  for (const auto& entry : fs::directory_iterator(folder_of(run))) {
    const bool named = entry.path().filename().string().starts_with("step_");
    if (named && fs::exists(entry.path() / kDone)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// First what makes it count, so that half a removal leaves none that does.
void remove_checkpoint(const fs::path& folder) {
  fs::remove(folder / kDone);
  fs::remove_all(folder);
}

fs::path best_of(const fs::path& run) {
  const fs::path link = folder_of(run) / "best";
  return fs::is_symlink(link) ? folder_of(run) / fs::read_symlink(link) : fs::path();
}

}  // namespace

models::TensorMap module_tensors(const torch::nn::Module& model) {
  models::TensorMap result;
  for (const auto& item : model.named_parameters())
    result.emplace_back(item.key(), item.value().detach());
  for (const auto& item : model.named_buffers()) result.emplace_back(item.key(), item.value());
  return result;
}

fs::path save_checkpoint(const fs::path& run, const torch::nn::Module& model,
                         const models::TensorMap& optimizer, const TrainState& state) {
  const fs::path folder = folder_of(run) / fmt::format("step_{:08}", state.step);
  const fs::path aside = folder_of(run) / ".writing";
  try {
    fs::remove_all(aside);  // of a run that was killed while it wrote
    fs::create_directories(aside);
    models::save_safetensors(aside / "model.safetensors", module_tensors(model));
    models::save_safetensors(aside / "optimizer.safetensors", optimizer);
    write_file(aside / "state.yaml", config::to_text(config::write(state)));
    write_file(aside / kDone, "");
    sync_path(aside);
    remove_checkpoint(folder);  // of the same step
    fs::rename(aside, folder);
    sync_path(folder_of(run));
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(aside, ignored);
    const auto kept = latest_checkpoint(run);
    throw Error(fmt::format("the checkpoint of step {} could not be written: {}; {}", state.step,
                            error.what(),
                            kept ? "kept: " + kept->folder.string() : "there is no earlier one"));
  }
  return folder;
}

void mark_best(const fs::path& checkpoint) {
  const fs::path aside = checkpoint.parent_path() / ".best";
  fs::remove(aside);
  fs::create_symlink(checkpoint.filename(), aside);
  fs::rename(aside, checkpoint.parent_path() / "best");
}

void prune_checkpoints(const fs::path& run, int64_t keep) {
  auto found = whole_checkpoints(run);
  const fs::path best = best_of(run);
  for (size_t i = 0; i + static_cast<size_t>(keep) < found.size(); ++i) {
    if (found[i] != best) remove_checkpoint(found[i]);
  }
}

Checkpoint open_checkpoint(const fs::path& folder) {
  VTR_CHECK(fs::exists(folder / kDone), "{}: not a whole checkpoint (no {} in it)", folder.string(),
            kDone);
  return {folder, config::read<TrainState>(YAML::Load(read_file(folder / "state.yaml")), "state")};
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
  VTR_CHECK(latest, "{}: there is no checkpoint in it", run.string());
  return *latest;
}

void load_model(torch::nn::Module& model, const fs::path& checkpoint) {
  const fs::path file = checkpoint / "model.safetensors";
  models::copy_parameters(model, models::load_safetensors(file), file.string());
}

}  // namespace vtr::train
