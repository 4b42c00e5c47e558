// Files: whole or absent writes, and paths that stay where they belong.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vtr {

namespace fs = std::filesystem;

// The whole file; throws Error naming it when it is missing, a folder or unreadable.
std::string read_file(const fs::path& path);

// Writes `path` aside, syncs it and renames it: a reader sees the old file or the new one. Throws
// Error (for example "no space left on device") and leaves the old file in place.
void write_file(const fs::path& path, std::string_view bytes);

// The same for a file written piece by piece.
class AsideFile {
 public:
  explicit AsideFile(const fs::path& path);  // opens `path`.tmp; throws Error
  ~AsideFile();                              // without commit: removes it
  AsideFile(const AsideFile&) = delete;
  AsideFile& operator=(const AsideFile&) = delete;
  void write(const void* data, size_t size);  // throws Error, for example on a full disk
  void commit();                              // syncs and renames; throws Error

 private:
  fs::path path_, aside_;
  int fd_;
};

// Flushes a file or folder to the disk. Throws Error.
void sync_path(const fs::path& path);

// Held by one process at a time, until it ends; nothing is written. Throws Error when another has
// it.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

// root / relative, refused when `relative` is absolute or climbs out of `root`. `what` names the
// place the path was read from in the error.
fs::path resolve_inside(const fs::path& root, const std::string& relative, const std::string& what);

// The file of that name shipped with vtr (kind "configs" or "assets"). `name` may be a path that
// exists as it is; else it is looked for in $VTR_HOME/<kind>, then where vtr was built.
fs::path find_shipped(const std::string& kind, const std::string& name);

}  // namespace vtr
