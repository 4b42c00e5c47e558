// Configuration files: `base:` lists, merging, and overrides from the command line.
// Priority: default in the struct < base files in order < the file < the command line.
#pragma once

#include "vtr/config/options.h"

#include <string>
#include <vector>

namespace vtr::config {

// `over` laid over `base`, map by map. A map whose `name` changes is replaced whole: the options of
// one head are not those of another.
Node merge(const Node& base, const Node& over);

// Reads a YAML file by path, or by its name in configs/ (of $VTR_HOME or of the source tree).
// `base:` names further files, relative to the file's folder or in configs/; cycles are refused.
Node load(const std::string& name);

// {"train.epochs=3", "model.head.name=xpool"} as a tree. Values are YAML scalars or flow lists.
Node parse_overrides(const std::vector<std::string>& assignments);

// YAML text, with its keys in the order of the struct.
std::string to_text(const Node& node);

// The first option in which two trees differ, "train.lr (3e-05, 1e-05)"; "" when in none.
std::string first_difference(const Node& a, const Node& b);

}  // namespace vtr::config
