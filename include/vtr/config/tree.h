// An option of any shape, which its owner reads.
//
//   config::Tree grid;  f("grid", grid, "{option: [values]}");
#pragma once

#include "vtr/config/options.h"

namespace vtr::config {

struct Tree {
  Node node;
};

// What config::read and config::write call for it.
inline void read_value(const Node& node, const std::string&, const Limits&, Tree& value) {
  value.node.reset(node);
}
inline Node write_value(const Tree& value) { return value.node; }

}  // namespace vtr::config
