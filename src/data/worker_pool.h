// Threads that take tasks in order. Tasks that have not begun are dropped with the pool.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace vtr::data {

class WorkerPool {
 public:
  // 0: one per core. Throws Error naming `option` when so many cannot be started.
  explicit WorkerPool(int64_t workers, const char* option = "data.workers");
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  size_t size() const { return threads_.size(); }
  void submit(std::function<void()> task);  // a task must not throw
  template <class Task>                     // this one may: what it throws is the future's
  auto run(Task task) {
    auto shared = std::make_shared<std::packaged_task<decltype(task())()>>(std::move(task));
    submit([shared] { (*shared)(); });
    return shared->get_future();
  }

 private:
  void work();
  void stop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vtr::data
