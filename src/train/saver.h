// Checkpoints written beside the training: one at a time, in a thread of its own.
#pragma once

#include "vtr/train/checkpoint.h"

#include <future>

namespace vtr::train {

class Saver {
 public:
  // Keeps the newest `keep` and the best one. Its end waits for what is being done.
  Saver(fs::path run, int64_t keep) : run_(std::move(run)), keep_(keep) {}
  // Copies the tensors to the host's memory, and returns. Waits for the one before, whose Error it
  // throws.
  void save(const Snapshot& snapshot);
  void mark(int64_t step);  // the checkpoint of that step is the best, once it is written
  void check();             // throws the Error of one that has failed since
  void wait();              // until all is on the disk; throws its Error

 private:
  const fs::path run_;
  const int64_t keep_;
  std::future<void> writing_;
};

}  // namespace vtr::train
