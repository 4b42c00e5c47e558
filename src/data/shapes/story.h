// What a video of the shapes benchmark shows, and the words for it.
#pragma once

#include "vtr/core/random.h"
#include "vtr/data/shapes.h"

#include <string>
#include <vector>

namespace vtr::data {

struct Object {
  int64_t colour = 0, shape = 0;
  auto operator<=>(const Object&) const = default;
};

// The objects of a video in the order they appear, and those seen in passing.
struct Story {
  std::vector<Object> objects;
  bool test = false;
  std::vector<Object> glimpses = {};
};

// The training videos' stories, then the test videos'.
std::vector<Story> tell_stories(const ShapesOptions& options);

std::string object_name(const Object& object);                  // "a red circle"
std::vector<std::string> ordered_captions(const Story& story);  // every way to tell all of it
std::vector<std::string> still_captions(const Object& object);

}  // namespace vtr::data
