// The pictures of the shapes benchmark.
#pragma once

#include "shapes/story.h"

namespace vtr::data {

// Writes the video of a story; everything the story leaves open (times, paths, sizes, background)
// is drawn from `seed`. Returns its length in seconds.
double render_video(const fs::path& path, const Story& story, const ShapesOptions& options,
                    uint64_t seed);

}  // namespace vtr::data
