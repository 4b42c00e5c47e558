// Annotation files: where they are looked for, and what reports tell of those that were read.
#pragma once

#include "vtr/data/manifest.h"

#include <string>
#include <vector>

namespace vtr::data {

// The file `name` in one of `places` under `root`; empty when there is none.
fs::path find_annotation(const fs::path& root, const std::vector<std::string>& places,
                         const std::string& name);

// Less the byte-order mark that some editors put first.
std::string without_mark(std::string text);

// The text of an annotation file, which joins `sources` unless it is there already. Throws Error;
// for a pickle, with the command that turns it into JSON.
std::string read_source(const fs::path& path, std::vector<Source>& sources);

}  // namespace vtr::data
