// What a run will take of the device's memory, before it starts and as it was.
#pragma once

#include "vtr/models/retriever.h"
#include "vtr/models/weights/safetensors.h"
#include "vtr/train/options.h"

#include <string>

namespace vtr::train {

// Bytes. Of the activations only what grows with the batch: what the encoders' blocks keep for the
// way back (Encoders::kept_bytes; none of a frozen tower) and the head's work for every pair.
struct Memory {
  int64_t parameters = 0, gradients = 0, optimizer = 0, activations = 0;
  int64_t total() const { return parameters + gradients + optimizer + activations; }
};

// For a rank of `ranks`, videos of so many frames with so many captions each, of so many words.
// `kept`: by the optimiser and the average of the weights.
Memory expected_memory(models::Retriever& model, const models::TensorMap& kept,
                       const TrainOptions& options, int64_t ranks, const models::ItemSize& item,
                       int64_t captions_per_video = 1);
std::string describe(const Memory& memory);  // "about 612 MB: parameters 605, .."
inline int64_t megabytes(int64_t bytes) { return (bytes + 999999) / 1000000; }

}  // namespace vtr::train
