#include "weights/aside_file.h"

#include "vtr/core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace vtr::models {

AsideFile::AsideFile(const std::filesystem::path& path)
    : path_(path), aside_(path.string() + ".tmp") {
  fd_ = ::open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  VTR_CHECK(fd_ >= 0, "{}: {}", aside_.string(), std::strerror(errno));
}

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

}  // namespace vtr::models
