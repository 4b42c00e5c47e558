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

}  // namespace

struct VideoLoader::Impl {
  Impl(const Manifest& from, const LoaderSettings& settings, int64_t wanted)
      : manifest(from),
        batch(std::max<int64_t>(1, wanted)),
        prefetch(static_cast<size_t>(settings.data.prefetch)),
        reader(manifest, settings.data, settings.video.evaluation(settings.resolution)),
        seed(settings.seed),
        pool(settings.data.workers) {}

  void schedule() {
    const auto videos = static_cast<int64_t>(manifest.videos.size());
    while (ahead.size() <= prefetch && position < videos) {
      const int64_t begin = position, end = std::min(begin + batch, videos);
      std::vector<Wanted> wanted;
      for (int64_t v = begin; v < end; ++v) {
        wanted.push_back({v, derive(seed, "evaluation", static_cast<uint64_t>(v))});
      }
      ahead.push_back(read_then<Read>(pool, reader, std::move(wanted),
                                      [this, begin](const std::vector<FramesPtr>& read) {
                                        return without_broken(begin, read);
                                      }));
      position = end;
    }
  }

  Read without_broken(int64_t begin, const std::vector<FramesPtr>& read) const {
    Read result;
    std::vector<FramesPtr> frames;
    for (size_t i = 0; i < read.size(); ++i) {
      if (read[i]) {
        frames.push_back(read[i]);
      } else {
        result.skipped.push_back(begin + static_cast<int64_t>(i));
      }
    }
    if (!frames.empty()) result.batch = stack(frames, reader.request());
    return result;
  }

  const Manifest manifest;
  const int64_t batch;
  const size_t prefetch;
  int64_t position = 0;
  std::vector<int64_t> skipped;
  FrameReader reader;
  const uint64_t seed;
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
    impl_->schedule();
    auto future = std::move(impl_->ahead.front());
    impl_->ahead.pop_front();
    Read read = future.get();
    impl_->skipped.insert(impl_->skipped.end(), read.skipped.begin(), read.skipped.end());
    if (read.batch.pixels.defined()) return std::move(read.batch);
  }
  return std::nullopt;
}

void VideoLoader::rewind() {
  impl_->ahead.clear();
  impl_->skipped.clear();
  impl_->position = 0;
  impl_->schedule();
}

const std::vector<int64_t>& VideoLoader::skipped() const { return impl_->skipped; }

}  // namespace vtr::data
