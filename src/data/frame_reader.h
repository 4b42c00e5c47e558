// The frames of a manifest's videos, kept in memory as far as data.cache_mb goes.
#pragma once

#include "worker_pool.h"

#include "vtr/data/loader.h"

#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

namespace vtr::data {

using FramesPtr = std::shared_ptr<const video::Frames>;

class FrameReader {
 public:
  // `request` says which frames, but for the seed. The manifest must outlive the reader.
  FrameReader(const Manifest& manifest, const DataOptions& options, video::Request request);
  // The frames of a video, or null for one that cannot be read when data.on_error is skip (logged
  // once a file); else throws Error. Any thread may call it.
  FramesPtr read(int64_t video, uint64_t seed);
  const video::Request& request() const { return request_; }

 private:
  FramesPtr cached(int64_t video);
  void keep(int64_t video, const FramesPtr& frames);
  FramesPtr fail(int64_t video, const std::string& why);

  const Manifest& manifest_;
  const video::Request request_;
  const double time_limit_;
  const bool skip_, cacheable_;
  std::mutex mutex_;
  int64_t room_;  // bytes left of the cache
  std::unordered_map<int64_t, FramesPtr> cache_;
  std::set<int64_t> broken_;
};

struct Wanted {
  int64_t video = 0;
  uint64_t seed = 0;
};

// [B, T, 3, R, R] and [B, T] of the frames of B videos, none of them null.
VideoBatch stack(const std::vector<FramesPtr>& frames, const video::Request& request);

// Reads `wanted` on the pool, a task a video. The last task to end calls `finish` with the frames
// in the order of `wanted`; what it returns, or the first error in that order, is the future's.
template <class Result>
std::future<Result> read_then(WorkerPool& pool, FrameReader& reader, std::vector<Wanted> wanted,
                              std::function<Result(const std::vector<FramesPtr>&)> finish) {
  struct State {
    std::vector<FramesPtr> frames;
    std::vector<std::exception_ptr> errors;
    std::atomic<size_t> left;
    std::function<Result(const std::vector<FramesPtr>&)> finish;
    std::promise<Result> promise;
    void end() {
      try {
        for (const auto& error : errors) {
          if (error) std::rethrow_exception(error);
        }
        promise.set_value(finish(frames));
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    }
  };
  auto state = std::make_shared<State>();
  state->frames.resize(wanted.size());
  state->errors.resize(wanted.size());
  state->left = wanted.size();
  state->finish = std::move(finish);
  for (size_t i = 0; i < wanted.size(); ++i) {
    pool.submit([state, &reader, i, want = wanted[i]] {
      try {
        state->frames[i] = reader.read(want.video, want.seed);
      } catch (...) {
        state->errors[i] = std::current_exception();
      }
      if (--state->left == 0) state->end();
    });
  }
  return state->promise.get_future();
}

}  // namespace vtr::data
