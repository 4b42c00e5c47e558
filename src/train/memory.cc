#include "memory.h"

#include "vtr/core/error.h"

#include <torch/types.h>

namespace vtr::train {

Memory expected_memory(models::Retriever& model, const models::TensorMap& kept,
                       const TrainOptions& options, int64_t ranks, const models::ItemSize& item) {
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
  memory.activations = encoded * model.encoders().kept_bytes(item, options.precision != "fp32") +
                       rows * options.batch * model.head().pair_bytes();
  return memory;
}

std::string describe(const Memory& memory) {
  return fmt::format("about {} MB: parameters {}, gradients {}, optimiser {}, activations {}",
                     megabytes(memory.total()), megabytes(memory.parameters),
                     megabytes(memory.gradients), megabytes(memory.optimizer),
                     megabytes(memory.activations));
}

}  // namespace vtr::train
