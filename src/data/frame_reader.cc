#include "frame_reader.h"

#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <cstring>

namespace vtr::data {
namespace {

FrameSlot slot_of(const VideoBatch& batch, int64_t row) {
  return {batch.pixels.data_ptr<uint8_t>() + row * batch.pixels.stride(0),
          batch.mask.data_ptr<bool>() + row * batch.mask.stride(0),
          batch.times.data_ptr<float>() + row * batch.times.stride(0)};
}

}  // namespace

video::Frames decode(const Record& record, video::Request request) {
  request.start = record.start;
  request.end = record.end;
  return video::read_frames(record.path, request);
}

FrameReader::FrameReader(const Manifest& manifest, const LoaderSettings& settings,
                         video::Request request)
    : manifest_(manifest),
      options_(settings.data),
      request_(std::move(request)),
      pin_(settings.pin),
      cacheable_(options_.cache_mb > 0 && !video::is_random(request_)),
      store_(settings.store),
      room_(options_.cache_mb << 20) {
  if (store_ && settings.read_frames)
    places_ = store_->match(manifest, request_, options_.on_error == "skip");
}

VideoBatch FrameReader::make_batch(int64_t videos) const {
  const auto make = [&](at::IntArrayRef shape, at::ScalarType type) {
    return at::empty(shape, at::TensorOptions(type).pinned_memory(pin_));
  };
  const int64_t frames = request_.frames, side = request_.resolution;
  return {make({videos, frames, 3, side, side}, at::kByte), make({videos, frames}, at::kBool),
          make({videos, frames}, at::kFloat)};
}

size_t FrameReader::ahead(int64_t videos) const {
  constexpr int64_t kMost = 64;  // more hide no unevenness
  const int64_t bytes = videos * request_.frames * 3 * request_.resolution * request_.resolution;
  const int64_t fit = (options_.prefetch_mb << 20) / std::max<int64_t>(1, bytes);
  return static_cast<size_t>(std::clamp<int64_t>(fit, 1, kMost));
}

bool FrameReader::read(int64_t video, uint64_t seed, const VideoBatch& batch, int64_t row) {
  {
    const std::lock_guard lock(mutex_);
    if (broken_.contains(video)) return false;
  }
  std::string why;
  try {
    read_into(video, seed, slot_of(batch, row));
    return true;
  } catch (const std::exception& error) {  // a decoder's own, of a broken file, too
    const auto& id = manifest_.videos[static_cast<size_t>(video)].id;
    why = fmt::format("video '{}': {}", id, error.what());
  }
  VTR_CHECK(options_.on_error == "skip", "{}; or go on without such videos by data.on_error=skip",
            why);
  bool fresh = false;
  {
    const std::lock_guard lock(mutex_);
    fresh = broken_.insert(video).second;
  }
  if (fresh) log::warn("[data] skipped: {}", why);
  return false;
}

std::vector<int64_t> FrameReader::skipped() const {
  const std::lock_guard lock(mutex_);
  return {broken_.begin(), broken_.end()};
}

void FrameReader::read_into(int64_t video, uint64_t seed, const FrameSlot& out) {
  if (store_) {
    video::Request request = request_;
    request.seed = seed;
    store_->read(places_[static_cast<size_t>(video)], request, out);
    return;
  }
  auto frames = cached(video);
  if (!frames) frames = decoded(video, seed);
  std::copy(frames->pixels.begin(), frames->pixels.end(), out.pixels);
  for (int64_t i = 0; i < request_.frames; ++i) out.mask[i] = i < frames->valid;
  std::copy(frames->seconds.begin(), frames->seconds.end(), out.times);
}

FrameReader::FramesPtr FrameReader::decoded(int64_t video, uint64_t seed) {
  const auto& record = manifest_.videos[static_cast<size_t>(video)];
  video::Request request = request_;
  request.seed = seed;
  auto frames = std::make_shared<const video::Frames>(decode(record, request));
  keep(video, frames);
  return frames;
}

FrameReader::FramesPtr FrameReader::cached(int64_t video) {
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

}  // namespace vtr::data
