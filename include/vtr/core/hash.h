// Digests, to tell whether bytes are those of before: what `sha256sum` and `md5sum` print.
#pragma once

#include "vtr/core/files.h"

#include <cstddef>
#include <memory>
#include <string>

namespace vtr {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(const void* data, size_t size);
  std::string hex();  // of all that was added; nothing can be added after it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string md5(std::string_view bytes);  // throws Error where OpenSSL is restricted to FIPS
std::string sha256(std::string_view bytes);
std::string sha256_of_file(const fs::path& path);  // throws Error when it cannot be read

}  // namespace vtr
