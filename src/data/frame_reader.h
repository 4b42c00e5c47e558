// The frames of a manifest's videos, straight into the rows of a batch: from a frame store, from
// memory as far as data.cache_mb goes, or decoded.
#pragma once

#include "worker_pool.h"

#include "vtr/data/frame_store.h"
#include "vtr/data/loader.h"

#include <algorithm>
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

// The frames of a record. All that is decoded of a manifest goes through here.
video::Frames decode(const Record& record, video::Request request);

class FrameReader {
 public:
  // `request` says which frames, but for the seed. The manifest must outlive the reader. Throws
  // Error when the store does not hold them.
  FrameReader(const Manifest& manifest, const LoaderSettings& settings, video::Request request);
  // Memory for the frames of so many videos; pinned when the settings say so.
  VideoBatch make_batch(int64_t videos) const;
  // The frames of a video into a row. False, and the row is of any content, for one that cannot be
  // read when data.on_error is skip (logged once a video); else throws Error. Any thread may call
  // it.
  bool read(int64_t video, uint64_t seed, const VideoBatch& batch, int64_t row);
  const video::Request& request() const { return request_; }
  std::vector<int64_t> skipped() const;  // videos that could not be read so far
  // Batches of so many videos to have in flight at once: as many as data.prefetch_mb holds.
  size_t ahead(int64_t videos) const;

 private:
  using FramesPtr = std::shared_ptr<const video::Frames>;
  void read_into(int64_t video, uint64_t seed, const FrameSlot& out);
  FramesPtr decoded(int64_t video, uint64_t seed);
  FramesPtr cached(int64_t video);
  void keep(int64_t video, const FramesPtr& frames);

  const Manifest& manifest_;
  const DataOptions options_;
  const video::Request request_;
  const bool pin_, cacheable_;
  const std::shared_ptr<const FrameStore> store_;  // or null
  std::vector<int64_t> places_;                    // in it, of each video
  mutable std::mutex mutex_;
  int64_t room_;  // bytes left of the cache
  std::unordered_map<int64_t, FramesPtr> cache_;
  std::set<int64_t> broken_;
};

struct Wanted {
  int64_t video = 0;
  uint64_t seed = 0;
  int64_t row = 0;  // of the batch
};

// Reads `wanted` into `batch` on the pool, a task a video. The last task to end calls `finish`
// with which of `wanted` were read; what it returns, or the first error in that order, is the
// future's.
template <class Result>
std::future<Result> read_then(WorkerPool& pool, FrameReader& reader, const VideoBatch& batch,
                              const std::vector<Wanted>& wanted,
                              std::function<Result(const std::vector<char>&)> finish) {
  struct State {
    VideoBatch batch;
    std::vector<char> read;
    std::vector<std::exception_ptr> errors;
    std::atomic<size_t> left;
    std::function<Result(const std::vector<char>&)> finish;
    std::promise<Result> promise;
    void end() {
      try {
        for (const auto& error : errors) {
          if (error) std::rethrow_exception(error);
        }
        promise.set_value(finish(read));
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    }
  };
  auto state = std::make_shared<State>();
  state->batch = batch;
  state->read.resize(wanted.size());
  state->errors.resize(wanted.size());
  state->left = wanted.size();
  state->finish = std::move(finish);
  for (size_t i = 0; i < wanted.size(); ++i) {
    pool.submit([state, &reader, i, want = wanted[i]] {
      try {
        state->read[i] = reader.read(want.video, want.seed, state->batch, want.row);
      } catch (...) {
        state->errors[i] = std::current_exception();
      }
      if (--state->left == 0) state->end();
    });
  }
  return state->promise.get_future();
}

}  // namespace vtr::data
