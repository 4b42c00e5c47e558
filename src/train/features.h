// The features of a whole split, computed once: an epoch then costs the text tower and the head.
#pragma once

#include "vtr/data/loader.h"
#include "vtr/models/retriever.h"

#include <string>

namespace vtr::train {

struct SplitFeatures {
  models::VideoFeatures all;                                // of V videos, on the model's device
  models::VideoFeatures select(const Tensor& index) const;  // index [B] int64
};

// Encodes every video of `manifest` with the training's frames. Videos that cannot be read (with
// data.on_error: skip) are taken out of the manifest. Error when the features would change
// from step to step: a random rule on the frames, or an image tower that trains.
SplitFeatures encode_split(models::Retriever& model, data::Manifest& manifest,
                           data::LoaderSettings settings, const std::string& precision);

}  // namespace vtr::train
