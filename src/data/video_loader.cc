#include "frame_reader.h"

#include "vtr/core/random.h"
#include "vtr/data/loader.h"

#include <algorithm>
#include <deque>

namespace vtr::data {
namespace {

struct Read {
  VideoBatch batch;
  std::vector<int64_t> skipped;  // of the manifest
};

// Each video is read once.
LoaderSettings without_cache(LoaderSettings settings) {
  settings.data.cache_mb = 0;
  return settings;
}

}  // namespace

struct VideoLoader::Impl {
  Impl(const Manifest& from, const LoaderSettings& settings, int64_t wanted)
      : manifest(from),
        batch(std::max<int64_t>(1, wanted)),
        share(std::ssize(manifest.videos), batch, settings.rank, settings.world),
        position(share.begin),
        seed(settings.seed),
        reader(manifest, without_cache(settings), settings.request(Split::test)),
        pool(settings.data.workers) {}

  void schedule() {
    while (ahead.size() < reader.ahead(batch) && position < share.end) {
      const int64_t begin = position, end = std::min(begin + batch, share.end);
      std::vector<Wanted> wanted;
      for (int64_t v = begin; v < end; ++v) {
        wanted.push_back({v, derive(seed, "evaluation", static_cast<uint64_t>(v)), v - begin});
      }
      const VideoBatch frames = reader.make_batch(end - begin);
      ahead.push_back(read_then<Read>(pool, reader, frames, wanted,
                                      [frames, begin](const std::vector<char>& read) {
                                        return without_broken(frames, begin, read);
                                      }));
      position = end;
    }
  }

  static Read without_broken(const VideoBatch& frames, int64_t begin,
                             const std::vector<char>& read) {
    Read result;
    std::vector<int64_t> rows;
    for (size_t i = 0; i < read.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (read[i]) {
        rows.push_back(row);
      } else {
        result.skipped.push_back(begin + row);
      }
    }
    if (result.skipped.empty()) {
      result.batch = frames;
    } else if (!rows.empty()) {
      const Tensor kept = at::tensor(rows, at::kLong);
      result.batch = {frames.pixels.index_select(0, kept), frames.mask.index_select(0, kept),
                      frames.times.index_select(0, kept)};
    }
    return result;
  }

  const Manifest manifest;
  const int64_t batch;
  const Share share;
  int64_t position;
  const uint64_t seed;
  std::vector<int64_t> skipped;
  FrameReader reader;
  std::deque<std::future<Read>> ahead;
  WorkerPool pool;  // last, so that it ends before what its tasks use
};

VideoLoader::VideoLoader(const Manifest& manifest, const LoaderSettings& settings, int64_t batch)
    : impl_(std::make_unique<Impl>(manifest, settings, batch)) {
  impl_->schedule();
}
VideoLoader::~VideoLoader() = default;

std::optional<VideoBatch> VideoLoader::next() {
  while (!impl_->ahead.empty()) {
    auto future = std::move(impl_->ahead.front());
    impl_->ahead.pop_front();
    future.wait();
    impl_->schedule();  // only now: what is in flight stays within data.prefetch_mb
    Read read = future.get();
    impl_->skipped.insert(impl_->skipped.end(), read.skipped.begin(), read.skipped.end());
    if (read.batch.pixels.defined()) return std::move(read.batch);
  }
  return std::nullopt;
}

const std::vector<int64_t>& VideoLoader::skipped() const { return impl_->skipped; }
const Share& VideoLoader::share() const { return impl_->share; }

}  // namespace vtr::data
