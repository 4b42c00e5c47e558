#include "vtr/core/mapped_file.h"

#include "vtr/core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vtr {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  VTR_CHECK(fd >= 0, "{}: {}", path.string(), std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  size_ = regular ? static_cast<size_t>(status.st_size) : 0;
  void* data = nullptr;
  // Private and writable: who writes to a tensor gets a copy of its page, the file stays as it is.
  constexpr int kFlags = MAP_PRIVATE | MAP_NORESERVE;
  if (size_ > 0) data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, kFlags, fd, 0);
  const int error = errno;
  ::close(fd);
  VTR_CHECK(regular, "{}: not a regular file", path.string());
  VTR_CHECK(data != MAP_FAILED, "{}: cannot be mapped: {}", path.string(), std::strerror(error));
  data_ = static_cast<std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace vtr
