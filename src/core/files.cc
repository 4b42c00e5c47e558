#include "vtr/core/files.h"

#include "vtr/core/error.h"
#include "vtr/core/table.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/file.h>
#include <unistd.h>
#include <vector>

namespace vtr {
namespace {

int open_file(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  VTR_CHECK(fd >= 0, "{}: {}", path.string(), std::strerror(errno));
  return fd;
}

}  // namespace

std::string read_file(const fs::path& path) {
  VTR_CHECK(fs::exists(path), "{}: no such file", path.string());
  VTR_CHECK(!fs::is_directory(path), "{}: is a folder, a file is needed", path.string());
  std::ifstream in(path, std::ios::binary);
  VTR_CHECK(in, "{}: cannot be read: {}", path.string(), std::strerror(errno));
  return {std::istreambuf_iterator<char>(in), {}};
}

AsideFile::AsideFile(const fs::path& path)
    : path_(path),
      aside_(path.string() + ".tmp"),
      fd_(open_file(aside_, O_WRONLY | O_CREAT | O_TRUNC)) {}

AsideFile::~AsideFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(aside_.c_str());
}

void AsideFile::write(const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd_, bytes, size);
    VTR_CHECK(n >= 0 || errno == EINTR, "{}: {}", path_.string(), std::strerror(errno));
    if (n <= 0) continue;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
}

void AsideFile::commit() {
  VTR_CHECK(::fsync(fd_) == 0, "{}: {}", path_.string(), std::strerror(errno));
  VTR_CHECK(::rename(aside_.c_str(), path_.c_str()) == 0, "{}: {}", path_.string(),
            std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
}

void write_file(const fs::path& path, std::string_view bytes) {
  AsideFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void sync_path(const fs::path& path) {
  const int fd = open_file(path, O_RDONLY);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  VTR_CHECK(error == 0, "{}: {}", path.string(), std::strerror(error));
}

FolderLock::FolderLock(const fs::path& folder)
    : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  VTR_CHECK(fd_ >= 0, "{}: {}", folder.string(), std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(fd_);
  VTR_CHECK(error != EWOULDBLOCK, "{}: another process is at work in this folder", folder.string());
  throw Error(fmt::format("{}: cannot be locked: {}", folder.string(), std::strerror(error)));
}

FolderLock::~FolderLock() { ::close(fd_); }

fs::path resolve_inside(const fs::path& root, const std::string& relative,
                        const std::string& what) {
  const fs::path path = fs::path(relative).lexically_normal();
  VTR_CHECK(!relative.empty() && path.is_relative() && *path.begin() != "..",
            "{}: the path '{}' leaves the folder {}", what, relative, root.string());
  return root / path;
}

fs::path find_shipped(const std::string& kind, const std::string& name) {
  if (fs::exists(name)) return name;
  VTR_CHECK(fs::path(name).is_relative(), "{}: no such file or folder", name);
  std::vector<fs::path> homes;
  if (const char* home = std::getenv("VTR_HOME")) homes.push_back(fs::path(home) / kind);
  homes.push_back(fs::path(VTR_SOURCE_DIR) / (kind == "assets" ? ".venv/assets" : kind));
  std::string places;
  std::vector<std::string> there;
  for (const auto& home : homes) {
    if (fs::exists(home / name)) return home / name;
    places += ", " + (home / name).string();
    if (!fs::is_directory(home)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(home)) {
      there.push_back(fs::relative(entry.path(), home).string());
    }
  }
  std::string near = nearest(name, there);
  if (near.empty()) near = nearest(name + ".yaml", there);
  throw Error(fmt::format("{}: no such file or folder, from here or in {}{}", name,
                          places.substr(2),
                          near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

}  // namespace vtr
