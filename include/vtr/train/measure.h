// What training steps cost, on batches that lie ready.
#pragma once

#include "vtr/data/loader.h"
#include "vtr/models/retriever.h"
#include "vtr/train/options.h"

#include <vector>

namespace vtr::train {

// Seconds, an entry a step: all of it, the parts before the loss, the way back, the update.
struct StepTimes {
  std::vector<double> step, forward, backward, update;
  std::vector<double> losses;
  double flops = 0;  // of one step: of the first, which is not to be timed for it
};

// Takes `steps` true steps (the model is another one afterwards) with the batches in turn, at the
// peak learning rates, on one process.
StepTimes measure_steps(models::Retriever& model, const TrainOptions& options,
                        const std::vector<data::Batch>& batches, int64_t steps);

// Values that train: all but those that train.freeze holds, which are marked so in the model.
// Throws Error for a pattern of train.freeze or train.rates that matches no parameter.
int64_t trained_values(models::Retriever& model, const TrainOptions& options);

// Until the device has made this.
void wait(const Tensor& result);

// The most that this process has had since its start or the last reset, in bytes: resident memory,
// or what LibTorch's allocator gave out on a GPU.
int64_t peak_memory(c10::Device device);
// Gives back what was freed; from now on the peak is counted from what is held, which is returned
// (where the kernel does not allow it, still from the start).
int64_t reset_peak_memory(c10::Device device);

}  // namespace vtr::train
