// What a run was trained and validated on: data.json in its folder, with digests of the splits and
// what their frames were read from, and validation.txt, the validation videos, an id a line.
#pragma once

#include "vtr/data/manifest.h"

#include <string>
#include <utility>
#include <vector>

namespace vtr::cli {

struct Splits {
  data::Manifest train, val;
  std::string frames;          // what they are read from: videos, or a store or features by content
  std::vector<int64_t> bytes;  // of the videos' files, train's and then val's
};

// `chooser`: the split that `val` is, by which the best checkpoint is chosen. Throws Error.
Splits read_splits(const data::DataOptions& options, data::Split chooser, uint64_t seed);
void write_splits(const fs::path& run, const Splits& splits);

// "train", "val" and "test" are the configuration's, any other name a test split's. Throws Error.
std::pair<data::Split, data::Manifest> read_named(data::DataOptions options,
                                                  const std::string& name, uint64_t seed);

// What the reader noted, a line each.
void log_notes(const data::Manifest& manifest);

// How a split differs from the run's own, for a person; "" where it does not or none is recorded.
std::string split_change(const fs::path& run, data::Split split, const data::Manifest& now);
// Throws Error where a run that goes on would see other data; of the videos' files a hundredth may
// have changed, as broken ones that were mended have, which is warned of.
void check_splits(const fs::path& run, const Splits& now);

}  // namespace vtr::cli
