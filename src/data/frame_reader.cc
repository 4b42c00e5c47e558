#include "frame_reader.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <cstring>

namespace vtr::data {

FrameReader::FrameReader(const Manifest& manifest, const DataOptions& options,
                         video::Request request)
    : manifest_(manifest),
      request_(std::move(request)),
      time_limit_(options.decode_seconds),
      skip_(options.on_error == "skip"),
      cacheable_(options.cache_mb > 0 && !video::is_random(request_)),
      room_(options.cache_mb << 20) {}

FramesPtr FrameReader::read(int64_t video, uint64_t seed) {
  if (auto frames = cached(video)) return frames;
  {
    const std::lock_guard lock(mutex_);
    if (broken_.contains(video)) return nullptr;
  }
  const Record& record = manifest_.videos[static_cast<size_t>(video)];
  video::Request request = request_;
  request.seed = seed;
  request.start = record.start;
  request.end = record.end;
  request.time_limit = time_limit_;
  try {
    auto frames = std::make_shared<const video::Frames>(video::read_frames(record.path, request));
    keep(video, frames);
    return frames;
  } catch (const Error& error) {
    return fail(video, error.what());
  }
}

FramesPtr FrameReader::cached(int64_t video) {
  if (!cacheable_) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto found = cache_.find(video);
  return found == cache_.end() ? nullptr : found->second;
}

// First come, first kept: with every video read once an epoch, dropping old ones for new would
// leave nothing that is asked for again.
void FrameReader::keep(int64_t video, const FramesPtr& frames) {
  const auto bytes = static_cast<int64_t>(frames->pixels.size());
  const std::lock_guard lock(mutex_);
  if (!cacheable_ || bytes > room_ || !cache_.emplace(video, frames).second) return;
  room_ -= bytes;
}

FramesPtr FrameReader::fail(int64_t video, const std::string& why) {
  VTR_CHECK(skip_, "{}; or go on without such videos by data.on_error=skip", why);
  bool fresh = false;
  {
    const std::lock_guard lock(mutex_);
    fresh = broken_.insert(video).second;
  }
  if (fresh) log::warn("[data] skipped: {}", why);
  return nullptr;
}

VideoBatch stack(const std::vector<FramesPtr>& frames, const video::Request& request) {
  const auto videos = static_cast<int64_t>(frames.size());
  const int64_t side = request.resolution;
  VideoBatch batch{at::empty({videos, request.frames, 3, side, side}, at::kByte),
                   at::zeros({videos, request.frames}, at::kBool),
                   at::empty({videos, request.frames}, at::kFloat)};
  auto* pixels = batch.pixels.data_ptr<uint8_t>();
  auto* mask = batch.mask.data_ptr<bool>();
  auto* times = batch.times.data_ptr<float>();
  for (const auto& video : frames) {
    std::memcpy(pixels, video->pixels.data(), video->pixels.size());
    std::fill_n(mask, video->valid, true);
    times = std::copy(video->seconds.begin(), video->seconds.end(), times);
    pixels += video->pixels.size();
    mask += request.frames;
  }
  return batch;
}

}  // namespace vtr::data
