// Checkpoints: whole or absent. A folder checkpoints/step_00000100/ with model.safetensors,
// optimizer.safetensors, state.yaml and DONE, written aside, synced and renamed. Beside them `best`
// links to the best one so far.
#pragma once

#include "vtr/core/files.h"
#include "vtr/models/weights/safetensors.h"

#include <torch/nn/module.h>

#include <optional>

namespace vtr::train {

struct TrainState {
  int64_t step = 0;           // updates done
  double best = -1;           // the best validation metric so far; -1: none
  int64_t worse = 0;          // validations since
  double loss_scale = 65536;  // of fp16
  void fields(auto& f) {
    f("step", step, "updates done");
    f("best", best, "best validation metric");
    f("worse", worse, "validations since");
    f("loss_scale", loss_scale, "of fp16");
  }
};

struct Checkpoint {
  fs::path folder;
  TrainState state;
};

// Parameters and buffers under their full names.
models::TensorMap module_tensors(const torch::nn::Module& model);

// Throws Error (disk full, for one) and leaves the earlier checkpoints untouched.
fs::path save_checkpoint(const fs::path& run, const torch::nn::Module& model,
                         const models::TensorMap& optimizer, const TrainState& state);
void mark_best(const fs::path& checkpoint);
// Keeps the newest `keep` and the best one.
void prune_checkpoints(const fs::path& run, int64_t keep);

// The newest whole checkpoint of a run, if there is one.
std::optional<Checkpoint> latest_checkpoint(const fs::path& run);
// The best one where validation chose one, else the newest. Throws Error when there is none.
Checkpoint chosen_checkpoint(const fs::path& run);
// Throws Error when it is not whole.
Checkpoint open_checkpoint(const fs::path& folder);

// Strict: every tensor of the model, and no other.
void load_model(torch::nn::Module& model, const fs::path& checkpoint);

}  // namespace vtr::train
