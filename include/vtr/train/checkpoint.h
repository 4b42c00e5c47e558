// Checkpoints: whole or absent. A folder checkpoints/step_00000100/ with model.safetensors,
// optimizer.safetensors, state.yaml and DONE, written aside, synced and renamed. DONE has the
// SHA-256 of the others, as sha256sum prints it; every file is held against it when it is read.
// Beside them `best` links to the best one so far.
#pragma once

#include "vtr/core/files.h"
#include "vtr/models/weights/safetensors.h"

#include <torch/nn/module.h>

#include <optional>

namespace vtr::train {

// What the guards remember.
struct GuardState {
  int64_t skips = 0;  // steps left out in a row, up to now
  int64_t seen = 0;   // losses in the mean
  double mean = 0;    // running mean of the loss
  double best = 0;    // the lowest so far
  int64_t high = 0;   // steps that it has been too high, in a row
  void fields(auto& f) {
    f("skips", skips, "steps left out in a row");
    f("seen", seen, "losses in the mean");
    f("mean", mean, "running mean of the loss");
    f("best", best, "the lowest so far");
    f("high", high, "steps in a row above the bound");
  }
};

struct TrainState {
  int64_t step = 0;           // updates done
  double loss_scale = 65536;  // of fp16
  int64_t clean_steps = 0;    // in a row without an overflow of fp16
  GuardState guard;
  void fields(auto& f) {
    f("step", step, "updates done");
    f("loss_scale", loss_scale, "of fp16");
    f("clean_steps", clean_steps, "in a row without an overflow of fp16");
    f("guard", guard, "of train.non_finite and train.divergence");
  }
};

struct Checkpoint {
  fs::path folder;
  TrainState state;
};

// What a checkpoint holds: the model's tensors, the optimiser's (and, with train.ema, the weights
// that train, of which the model's are the average), and the state.
struct Snapshot {
  models::TensorMap model, optimizer;
  TrainState state;
};

// Parameters and buffers under their full names; not copies.
models::TensorMap module_tensors(const torch::nn::Module& model);

// Throws Error (disk full, for one) and leaves the earlier checkpoints untouched.
fs::path save_checkpoint(const fs::path& run, const Snapshot& snapshot);
// `best` links to the checkpoint of that step from now on, if it is there.
void mark_best(const fs::path& run, int64_t step);
// Keeps the newest `keep` and the best one.
void prune_checkpoints(const fs::path& run, int64_t keep);

// The newest whole checkpoint of a run, if there is one.
std::optional<Checkpoint> latest_checkpoint(const fs::path& run);
// The best one where validation chose one, else the newest. Throws Error when there is none.
Checkpoint chosen_checkpoint(const fs::path& run);
// Throws Error when it is not whole.
Checkpoint open_checkpoint(const fs::path& folder);

// Strict: every tensor of the model, and no other. Throws Error naming the file when its bytes are
// not those that were written.
void load_model(torch::nn::Module& model, const fs::path& checkpoint);
models::TensorMap load_optimizer(const fs::path& checkpoint);

// The weights alone of a run (its chosen checkpoint), a checkpoint or a file model.safetensors. The
// encoders' ("clip.") must fit; of a head's others, those that do are taken. Returns the names of
// the model's that were not found there, or not in their shape.
std::vector<std::string> init_from(torch::nn::Module& model, const fs::path& path);

}  // namespace vtr::train
