#include "frozen_features.h"

#include "vtr/core/error.h"
#include "vtr/eval/feature_store.h"
#include "vtr/models/towers.h"

namespace vtr::train {
namespace {

// The features of a text tower that stands still are kept too.
bool reads_texts(const Parts& parts) {
  return !models::trains(parts.encoding.model.encoders(), models::Tower::text);
}

void check(const Parts& parts, const char* what) {
  eval::refuse_random_frames(eval::with_training_frames(parts.encoding).loader.video, what);
  VTR_CHECK(!models::trains(parts.encoding.model.encoders(), models::Tower::image),
            "{}: features would change from step to step: the image tower trains "
            "(train.freeze=[clip.visual.*] holds it)",
            what);
}

}  // namespace

void FrozenFeatures::open(const Parts& parts) {
  const bool stored = !parts.encoding.loader.data.features.empty();
  if (stored || parts.options.encode_once)
    check(parts, stored ? "data.features" : "train.encode_once");
  if (!stored) return;
  using Texts = eval::FeatureStore::Texts;
  const auto texts = reads_texts(parts) ? Texts::needed : Texts::no;
  eval::FeatureStore store(parts.encoding);
  train_ = store.open(eval::with_training_frames(parts.encoding), parts.train, texts);
  if (!parts.val.videos.empty()) val_ = store.open(parts.encoding, parts.val, texts);
}

void FrozenFeatures::encode(const Parts& parts) {
  if (train_ || !parts.options.encode_once) return;
  auto encoding = eval::with_training_frames(parts.encoding);
  encoding.precision = parts.options.precision;
  train_ = eval::encode_split(encoding, parts.train, reads_texts(parts), &parts.group);
  if (parts.val.videos.empty()) return;
  val_ = eval::encode_split(parts.encoding, parts.val, reads_texts(parts), &parts.group);
}

}  // namespace vtr::train
