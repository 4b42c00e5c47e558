#include "vtr/core/files.h"

#include "vtr/core/error.h"

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

// A POSIX descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    VTR_CHECK(fd_ >= 0, "{}: {}", path.string(), std::strerror(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

void write_all(const fs::path& path, std::string_view bytes) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    VTR_CHECK(n >= 0 || errno == EINTR, "{}: {}", path.string(), std::strerror(errno));
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
  VTR_CHECK(::fsync(file.get()) == 0, "{}: {}", path.string(), std::strerror(errno));
}

}  // namespace

std::string read_file(const fs::path& path) {
  VTR_CHECK(fs::exists(path), "{}: no such file", path.string());
  VTR_CHECK(!fs::is_directory(path), "{}: is a folder, a file is needed", path.string());
  std::ifstream in(path, std::ios::binary);
  VTR_CHECK(in, "{}: cannot be read: {}", path.string(), std::strerror(errno));
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& path, std::string_view bytes) {
  const fs::path aside = path.string() + ".tmp";
  try {
    write_all(aside, bytes);
    fs::rename(aside, path);
  } catch (const std::exception&) {
    std::error_code ignored;
    fs::remove(aside, ignored);
    throw;
  }
}

void sync_path(const fs::path& path) {
  const Descriptor file(path, O_RDONLY);
  VTR_CHECK(::fsync(file.get()) == 0, "{}: {}", path.string(), std::strerror(errno));
}

FolderLock::FolderLock(const fs::path& folder)
    : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  VTR_CHECK(fd_ >= 0, "{}: {}", folder.string(), std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(fd_);
  VTR_CHECK(error != EWOULDBLOCK, "{}: another process is writing it", folder.string());
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
  std::vector<fs::path> tried;
  if (const char* home = std::getenv("VTR_HOME")) tried.push_back(fs::path(home) / kind / name);
  tried.push_back(fs::path(VTR_SOURCE_DIR) / (kind == "assets" ? ".venv/assets" : kind) / name);
  std::string places;
  for (const auto& path : tried) {
    if (fs::exists(path)) return path;
    places += ", " + path.string();
  }
  throw Error(
      fmt::format("{}: no such file or folder, from here or in {}", name, places.substr(2)));
}

}  // namespace vtr
