#include "frame_reader.h"

#include "vtr/core/error.h"
#include "vtr/core/random.h"
#include "vtr/data/loader.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <numeric>

namespace vtr::data {
namespace {

// The captions of a video that come with it at once: from the `first` of them in an epoch's order.
struct Group {
  int64_t video = 0, first = 0;
};

std::vector<Group> groups_of(const Manifest& manifest, const DataOptions& data) {
  std::vector<Group> groups;
  for (int64_t v = 0; v < std::ssize(manifest.videos); ++v) {
    const int64_t all = std::ssize(manifest.videos[static_cast<size_t>(v)].captions);
    const int64_t met = data.captions == "one" ? std::min<int64_t>(all, 1) : all;
    for (int64_t c = 0; c < met; c += data.captions_per_video) groups.push_back({v, c});
  }
  return groups;
}

std::vector<int64_t> first_captions(const Manifest& manifest) {
  std::vector<int64_t> first = {0};
  for (const auto& video : manifest.videos) {
    first.push_back(first.back() + static_cast<int64_t>(video.captions.size()));
  }
  return first;
}

// An epoch's items in the order they are met; shared by its batches in flight.
struct Epoch {
  int64_t number = -1;
  std::vector<int64_t> order;
};

// A place in a batch: a video and its captions there.
struct Item {
  int64_t video = 0;
  std::vector<int64_t> captions;
  uint64_t seed = 0;  // of the frames' random rules
};

}  // namespace

TextBatch tokenize(const text::Tokenizer& tokenizer, const std::vector<std::string>& captions,
                   int64_t max_words, bool pad_to_max) {
  std::vector<std::vector<int64_t>> ids;
  size_t longest = pad_to_max ? static_cast<size_t>(max_words) : 0;
  int64_t truncated = 0;
  for (const auto& caption : captions) {
    ids.push_back(tokenizer.encode(caption, max_words + 1));
    if (static_cast<int64_t>(ids.back().size()) > max_words) {
      ids.back() = tokenizer.encode(caption, max_words);
      ++truncated;
    }
    longest = std::max(longest, ids.back().size());
  }
  const std::vector<int64_t> shape = {static_cast<int64_t>(ids.size()),
                                      static_cast<int64_t>(longest)};
  TextBatch batch{at::full(shape, tokenizer.pad(), at::kLong), at::zeros(shape, at::kBool),
                  truncated};
  for (size_t i = 0; i < ids.size(); ++i) {
    std::copy(ids[i].begin(), ids[i].end(), batch.ids.data_ptr<int64_t>() + i * longest);
    std::fill_n(batch.mask.data_ptr<bool>() + i * longest, ids[i].size(), true);
  }
  return batch;
}

struct TrainLoader::Impl {
  Impl(const Manifest& from, const text::Tokenizer& with, const LoaderSettings& set, int64_t wanted,
       int64_t first_step)
      : manifest(from),
        tokenizer(with),
        settings(set),
        groups(groups_of(manifest, set.data)),
        first_caption(first_captions(manifest)),
        items(std::ssize(groups)),
        batch(std::min(wanted / set.data.captions_per_video, items)),
        first(batch * set.rank / set.world),
        rows(batch * (set.rank + 1) / set.world - first),
        next_step(first_step),
        reader(manifest, set, set.request(Split::train)),
        pool(set.data.workers) {
    VTR_CHECK(items > 0, "{}: there is nothing to train on", manifest.name);
    VTR_CHECK(batch >= set.world, "{}: a batch of {} videos has none for each of {} ranks",
              manifest.name, batch, set.world);
    for (size_t i = 0; i < reader.ahead(rows); ++i) schedule();
  }

  std::shared_ptr<const Epoch> epoch_of(int64_t number) {
    if (epoch && epoch->number == number) return epoch;
    auto fresh = std::make_shared<Epoch>();
    fresh->number = number;
    fresh->order.resize(static_cast<size_t>(items));
    std::iota(fresh->order.begin(), fresh->order.end(), int64_t{0});
    Rng(derive(settings.seed, "shuffle", static_cast<uint64_t>(number))).shuffle(fresh->order);
    return epoch = fresh;
  }

  Item item_at(const Epoch& of, int64_t position) const {
    const auto index = of.order[static_cast<size_t>(position % items)];
    const auto a = static_cast<uint64_t>(of.number), b = static_cast<uint64_t>(index);
    const uint64_t seed = derive(settings.seed, "frames", a, b);
    return {groups[b].video, captions_of(groups[b], a), seed};
  }

  // In the manifest's order where all come one by one, else shuffled.
  std::vector<int64_t> captions_of(const Group& group, uint64_t epoch_number) const {
    const auto video = static_cast<size_t>(group.video);
    std::vector<int64_t> order(manifest.videos[video].captions.size());
    std::iota(order.begin(), order.end(), int64_t{0});
    const int64_t all = std::ssize(order), count = settings.data.captions_per_video;
    if (count > 1 || settings.data.captions == "one") {
      Rng(derive(settings.seed, "caption", epoch_number, video)).shuffle(order);
      std::ranges::reverse(order);  // what is drawn first comes first
    }
    std::vector<int64_t> captions;
    for (int64_t i = 0; i < count; ++i) {
      captions.push_back(order[static_cast<size_t>((group.first + i) % all)]);
    }
    return captions;
  }

  // Begins the next batch; a video that is in it twice is read once where nothing is drawn. Of many
  // ranks each reads its rows of the batch that one alone would read.
  void schedule() {
    const int64_t steps = items / batch, step = next_step++;
    const auto of = epoch_of(step / steps);
    const int64_t begin = step % steps * batch;
    std::vector<Item> chosen;
    std::vector<Wanted> wanted;
    std::vector<size_t> place;  // of each item's video in `wanted`
    std::unordered_map<int64_t, size_t> places;
    const bool draws = video::is_random(reader.request());
    for (int64_t row = 0; row < rows; ++row) {
      const Item item = item_at(*of, begin + first + row);
      const auto [found, fresh] = places.try_emplace(item.video, wanted.size());
      place.push_back(fresh || !draws ? found->second : wanted.size());
      if (fresh || draws) wanted.push_back({item.video, item.seed, row});
      chosen.push_back(item);
    }
    if (!settings.read_frames) {
      std::promise<Batch> now;
      now.set_value(assemble(chosen, {}));
      ahead.push_back(now.get_future());
      return;
    }
    const VideoBatch frames = reader.make_batch(rows);
    ahead.push_back(read_then<Batch>(
        pool, reader, frames, wanted, [=, this](const std::vector<char>& read) mutable {
          for (int64_t row = 0; row < rows; ++row) {
            const size_t i = place[static_cast<size_t>(row)];
            if (!read[i]) {
              replace_broken(*of, begin + first + row, chosen[static_cast<size_t>(row)], frames,
                             row);
            } else if (wanted[i].row != row) {
              copy_row(frames, wanted[i].row, row);
            }
          }
          return assemble(chosen, frames);
        }));
  }

  // An item that cannot be read gives its place to another of the epoch, the first readable one
  // from a place that is a function of its own: no rank needs to know what others could not read.
  void replace_broken(const Epoch& of, int64_t position, Item& item, const VideoBatch& frames,
                      int64_t row) {
    Rng rng(derive(settings.seed, "replacement", static_cast<uint64_t>(of.number),
                   static_cast<uint64_t>(position)));
    const auto start = static_cast<int64_t>(rng.below(static_cast<uint64_t>(items)));
    for (int64_t i = 0; i < items; ++i) {
      item = item_at(of, start + i);
      if (reader.read(item.video, item.seed, frames, row)) return;
    }
    throw Error(manifest.name + ": no video can be read");
  }

  static void copy_row(const VideoBatch& frames, int64_t from, int64_t to) {
    for (const Tensor& part : {frames.pixels, frames.mask, frames.times})
      part[to].copy_(part[from]);
  }

  Batch assemble(const std::vector<Item>& chosen, const VideoBatch& frames) const {
    std::vector<std::string> captions;
    std::vector<int64_t> videos, which;
    for (const auto& item : chosen) {
      const auto video = static_cast<size_t>(item.video);
      videos.push_back(item.video);
      for (const int64_t caption : item.captions) {
        which.push_back(first_caption[video] + caption);
        captions.push_back(manifest.videos[video].captions[static_cast<size_t>(caption)]);
      }
    }
    return {settings.read_texts
                ? tokenize(tokenizer, captions, settings.max_words, settings.pad_words)
                : TextBatch{},
            frames, at::tensor(videos, at::kLong), at::tensor(which, at::kLong)};
  }

  const Manifest manifest;
  const text::Tokenizer& tokenizer;
  const LoaderSettings settings;
  const std::vector<Group> groups;
  const std::vector<int64_t> first_caption;  // of each video, among all
  const int64_t items, batch;                // groups, of all ranks
  const int64_t first, rows;                 // this rank's part of a batch
  int64_t next_step;
  std::shared_ptr<const Epoch> epoch;
  FrameReader reader;
  std::deque<std::future<Batch>> ahead;
  double waited = 0;
  WorkerPool pool;  // last, so that it ends before what its tasks use
};

TrainLoader::TrainLoader(const Manifest& manifest, const text::Tokenizer& tokenizer,
                         const LoaderSettings& settings, int64_t batch, int64_t first_step)
    : impl_(std::make_unique<Impl>(manifest, tokenizer, settings, batch, first_step)) {}
TrainLoader::~TrainLoader() = default;

int64_t TrainLoader::pairs(const Manifest& manifest, const DataOptions& data) {
  return std::ssize(groups_of(manifest, data)) * data.captions_per_video;
}

int64_t TrainLoader::steps_per_epoch(const Manifest& manifest, const DataOptions& data,
                                     int64_t batch) {
  const int64_t all = pairs(manifest, data);
  return all == 0 ? 0 : std::max<int64_t>(1, all / batch);
}

Batch TrainLoader::next() {
  auto batch = std::move(impl_->ahead.front());
  impl_->ahead.pop_front();
  const auto start = std::chrono::steady_clock::now();
  batch.wait();
  impl_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  impl_->schedule();  // only now: what is in flight stays within data.prefetch_mb
  return batch.get();
}

double TrainLoader::waited() const { return impl_->waited; }
std::vector<int64_t> TrainLoader::skipped() const { return impl_->reader.skipped(); }

}  // namespace vtr::data
