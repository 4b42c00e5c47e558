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

struct Pair {
  int64_t video = 0, caption = 0;
};

std::vector<Pair> all_pairs(const Manifest& manifest) {
  std::vector<Pair> pairs;
  for (size_t v = 0; v < manifest.videos.size(); ++v) {
    for (size_t c = 0; c < manifest.videos[v].captions.size(); ++c) {
      pairs.push_back({static_cast<int64_t>(v), static_cast<int64_t>(c)});
    }
  }
  return pairs;
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

// A place in a batch: which item of the epoch, and the pair it stands for.
struct Item {
  Pair pair;
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
        pairs(all_pairs(manifest)),
        first_caption(first_captions(manifest)),
        items(set.data.captions == "one" ? static_cast<int64_t>(manifest.videos.size())
                                         : static_cast<int64_t>(pairs.size())),
        batch(std::min(wanted, items)),
        first(batch * set.rank / set.world),
        rows(batch * (set.rank + 1) / set.world - first),
        next_step(first_step),
        reader(manifest, set, set.request(Split::train)),
        pool(set.data.workers) {
    VTR_CHECK(items > 0, "{}: there is nothing to train on", manifest.name);
    VTR_CHECK(batch >= set.world, "{}: a batch of {} has no pair for each of {} ranks",
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
    if (settings.data.captions != "one") return {pairs[b], seed};
    Rng rng(derive(settings.seed, "caption", a, b));
    return {{index, static_cast<int64_t>(rng.below(manifest.videos[b].captions.size()))}, seed};
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
      const auto [found, fresh] = places.try_emplace(item.pair.video, wanted.size());
      place.push_back(fresh || !draws ? found->second : wanted.size());
      if (fresh || draws) wanted.push_back({item.pair.video, item.seed, row});
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
      if (reader.read(item.pair.video, item.seed, frames, row)) return;
    }
    throw Error(manifest.name + ": no video can be read");
  }

  static void copy_row(const VideoBatch& frames, int64_t from, int64_t to) {
    for (const Tensor& part : {frames.pixels, frames.mask, frames.times})
      part[to].copy_(part[from]);
  }

  Batch assemble(const std::vector<Item>& chosen, const VideoBatch& frames) const {
    std::vector<std::string> captions;
    Tensor index = at::empty({static_cast<int64_t>(chosen.size())}, at::kLong);
    Tensor which = at::empty_like(index);
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto [video, caption] = chosen[i].pair;
      index.data_ptr<int64_t>()[i] = video;
      which.data_ptr<int64_t>()[i] = first_caption[static_cast<size_t>(video)] + caption;
      captions.push_back(
          manifest.videos[static_cast<size_t>(video)].captions[static_cast<size_t>(caption)]);
    }
    return {settings.read_texts
                ? tokenize(tokenizer, captions, settings.max_words, settings.pad_words)
                : TextBatch{},
            frames, index, which};
  }

  const Manifest manifest;
  const text::Tokenizer& tokenizer;
  const LoaderSettings settings;
  const std::vector<Pair> pairs;
  const std::vector<int64_t> first_caption;  // of each video, among all
  const int64_t items, batch;                // of all ranks
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

int64_t TrainLoader::steps_per_epoch(const Manifest& manifest, const DataOptions& data,
                                     int64_t batch) {
  const int64_t items =
      data.captions == "one" ? static_cast<int64_t>(manifest.videos.size()) : manifest.captions();
  return items == 0 ? 0 : std::max<int64_t>(1, items / batch);
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
int64_t TrainLoader::skipped() const { return impl_->reader.skipped(); }

}  // namespace vtr::data
