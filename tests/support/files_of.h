// All files of a folder with their bytes, to compare two of them.
#pragma once

#include "vtr/core/files.h"

#include <map>
#include <string>

namespace vtr::test {

// By their paths in it.
inline std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
  }
  return files;
}

}  // namespace vtr::test
