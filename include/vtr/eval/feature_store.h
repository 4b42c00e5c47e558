// Features on disk: safetensors shards that anyone may read, beside an index that says what they
// were computed with.
//
//   write_features("store", {.dtype = "fp16"}, {{encoding, manifest}});
//   FeatureStore store(encoding);                        // of data.features
//   Features train = store.open(encoding, manifest, FeatureStore::Texts::needed);
#pragma once

#include "vtr/eval/features.h"

#include <memory>
#include <string>
#include <vector>

namespace vtr::eval {

struct StoreOptions {
  std::string dtype = "fp16";
  bool tokens = false, patches = false;  // beside what the model's head reads
  int64_t shard = 256;                   // videos a shard, up to a multiple of the batch
  bool overwrite = false;                // removes the store that is there
};

struct SplitToEncode {
  Encoding encoding;
  data::Manifest manifest;
};

// Writes the splits into `folder`. A shard is there whole or not at all, and its bytes depend on
// the data alone: what was killed and is called again ends with the same bytes. Throws Error for a
// folder that another process writes or that holds something else, for a split that is there with
// other features, and for values that are not finite in the dtype.
void write_features(const fs::path& folder, const StoreOptions& options,
                    const std::vector<SplitToEncode>& splits);

class FeatureStore {
 public:
  // That of `encoding.loader.data.features`. Throws Error when it is no store.
  explicit FeatureStore(const Encoding& encoding);
  ~FeatureStore();
  static std::string dtype(const fs::path& folder);  // of what it holds: fp16, fp32
  // no: nobody asks; fresh: when they are the text tower's, else a line says why not; needed:
  // throws Error when they are not.
  enum class Texts { no, fresh, needed };
  // Those of a manifest's videos, wherever in the store they are. Throws Error naming what differs
  // when they are stale, what is missing, and what to do.
  Features open(const Encoding& encoding, const data::Manifest& manifest, Texts texts);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::eval
