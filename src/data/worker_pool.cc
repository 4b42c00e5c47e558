#include "worker_pool.h"

#include "vtr/core/cores.h"
#include "vtr/core/error.h"

namespace vtr::data {

WorkerPool::WorkerPool(int64_t workers, const char* option) {
  const int64_t wanted = workers > 0 ? workers : cores();
  try {
    for (int64_t i = 0; i < wanted; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::exception& error) {
    stop();
    throw Error(fmt::format("{}: {} threads cannot be started ({})", option, wanted, error.what()));
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void WorkerPool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void WorkerPool::work() {
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
      if (stop_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace vtr::data
