// What the readers of published datasets share: a protocol's name leads to the first of the files
// that define it in the public repositories, one form or the other; captions come with the list or
// from a file of all captions; videos are found by name.
#pragma once

#include "datasets/entries.h"

#include "vtr/data/manifest.h"

#include <functional>
#include <string>
#include <vector>

namespace vtr::data {

// Files that together are a split; of their videos those whose own "split" is one of `splits`, when
// there are any.
struct Lists {
  std::vector<std::string> files;
  std::vector<std::string> splits = {};
};

struct Protocol {
  std::string name;
  std::vector<Lists> lists;  // the first that is there in full is taken
};

// A name a video's file may have, bare but for folders, and the part of it that is meant.
struct Clip {
  std::string name;
  double start = 0, end = 0;
};

struct Folders {
  fs::path root;
  std::vector<std::string> places;  // for annotations, under the root
};

struct Published {
  std::string name;
  std::vector<Protocol> protocols;
  std::vector<std::string> captions;      // files with all captions, for lists that have none
  std::vector<std::string> places;        // folders of annotations under the root, beside it
  std::vector<std::string> video_places;  // folders of videos under the root
  std::string extension = ".mp4";         // of a missing video, in errors
  bool paragraph = false;                 // a video's captions are one text, in their order
  std::vector<Entry> (*read)(const fs::path&, std::vector<Source>&) = read_entries;
  std::vector<Clip> (*clips)(const std::string& id) = nullptr;  // the id itself
  // Changes what was read before files are looked for.
  void (*adjust)(const Folders&, const std::string& split, std::vector<Entry>&,
                 Manifest&) = nullptr;
};

// A protocol "full-train" is also called "full" where the training split is named.
Manifest read_published(const Published& dataset, const DataOptions& options, Split role,
                        const std::string& split);
std::string describe_published(const Published& dataset, const DataOptions& options);

template <const Published& (*dataset)()>
DatasetEntry published_entry(const std::string& summary) {
  return {dataset().name, summary,
          [](const DataOptions& options) { return describe_published(dataset(), options); },
          [](const DataOptions& options, Split role, const std::string& split) {
            return read_published(dataset(), options, role, split);
          }};
}

}  // namespace vtr::data
