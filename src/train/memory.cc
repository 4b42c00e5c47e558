#include "memory.h"

#include "vtr/core/error.h"

#include <torch/types.h>

namespace vtr::train {

Memory expected_memory(models::Retriever& model, const models::TensorMap& kept,
                       const TrainOptions& options, int64_t ranks, const models::ItemSize& item,
                       int64_t captions_per_video) {
  Memory memory;
  for (const auto& parameter : model.parameters()) {
    memory.parameters += static_cast<int64_t>(parameter.nbytes());
    if (parameter.requires_grad()) memory.gradients += static_cast<int64_t>(parameter.nbytes());
  }
  for (const auto& state : kept) {
    memory.optimizer += static_cast<int64_t>(state.second.nbytes());
  }
  const int64_t rows = options.batch / ranks;
  const int64_t encoded = options.micro_batch > 0 ? options.micro_batch : rows;
  const bool half = options.precision != "fp32";
  const int64_t of_text = model.encoders().kept_bytes({.frames = 0, .words = item.words}, half);
  const int64_t of_video = model.encoders().kept_bytes({.frames = item.frames, .words = 0}, half);
  memory.activations = encoded * of_text + encoded / captions_per_video * of_video +
                       rows * options.batch / captions_per_video * model.head().pair_bytes();
  return memory;
}

std::string describe(const Memory& memory) {
  return fmt::format("about {} MB: parameters {}, gradients {}, optimiser {}, activations {}",
                     megabytes(memory.total()), megabytes(memory.parameters),
                     megabytes(memory.gradients), megabytes(memory.optimizer),
                     megabytes(memory.activations));
}

}  // namespace vtr::train
