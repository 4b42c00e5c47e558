// A file written piece by piece that takes its name only when it is whole and on the disk.
#pragma once

#include <cstddef>
#include <filesystem>

namespace vtr::models {

class AsideFile {
 public:
  explicit AsideFile(const std::filesystem::path& path);  // opens `path`.tmp; throws Error
  ~AsideFile();                                           // without commit: removes it
  AsideFile(const AsideFile&) = delete;
  AsideFile& operator=(const AsideFile&) = delete;
  void write(const void* data, size_t size);  // throws Error, for example on a full disk
  void commit();                              // syncs and renames; throws Error

 private:
  std::filesystem::path path_, aside_;
  int fd_ = -1;
};

}  // namespace vtr::models
