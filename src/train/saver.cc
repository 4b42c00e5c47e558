#include "saver.h"

#include <torch/types.h>

#include <chrono>

namespace vtr::train {
namespace {

models::TensorMap copies(const models::TensorMap& tensors) {
  models::TensorMap result;
  for (const auto& [name, tensor] : tensors) {
    result.emplace_back(name,
                        tensor.detach().to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true));
  }
  return result;
}

}  // namespace

void Saver::save(const Snapshot& snapshot) {
  wait();
  Snapshot copy{copies(snapshot.model), copies(snapshot.optimizer), snapshot.state};
  writing_ = std::async(std::launch::async, [this, copy = std::move(copy)] {
    save_checkpoint(run_, copy);
    prune_checkpoints(run_, keep_);
  });
}

void Saver::mark(int64_t step) {
  writing_ = std::async(std::launch::async, [this, step, before = std::move(writing_)]() mutable {
    if (before.valid()) before.get();
    mark_best(run_, step);
    prune_checkpoints(run_, keep_);
  });
}

void Saver::check() {
  using std::chrono::seconds;
  if (writing_.valid() && writing_.wait_for(seconds(0)) == std::future_status::ready) {
    writing_.get();
  }
}

void Saver::wait() {
  if (writing_.valid()) writing_.get();
}

}  // namespace vtr::train
