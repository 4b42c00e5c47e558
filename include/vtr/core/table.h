// A table: the fixed list of the things of one kind, by name. An entry is a struct with `name` and
// `summary`; a new one is one file and one word in the list.
//
//   const Table<HeadEntry>& heads();          // heads().find("joint")
#pragma once

#include "vtr/core/error.h"

#include <string>
#include <vector>

namespace vtr {

// The candidate nearest to `name` by edit distance, or "" when none is near.
std::string nearest(const std::string& name, const std::vector<std::string>& candidates);

template <class Entry>
class Table {
 public:
  Table(std::string what, std::vector<Entry> entries)
      : what_(std::move(what)), entries_(std::move(entries)) {}

  // Throws Error naming the known entries.
  const Entry& find(const std::string& name) const {
    for (const auto& entry : entries_) {
      if (entry.name == name) return entry;
    }
    throw Error(fmt::format("unknown {} '{}' (known: {})", what_, name, fmt::join(names(), ", ")));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : entries_) result.push_back(entry.name);
    return result;
  }
  const std::string& what() const { return what_; }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::string what_;
  std::vector<Entry> entries_;
};

}  // namespace vtr
