#include "vtr/core/hash.h"

#include "vtr/core/error.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <openssl/evp.h>
#include <vector>

namespace vtr {

struct Sha256::Impl {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                  EVP_MD_CTX_free};
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  VTR_ASSERT(EVP_DigestInit_ex(impl_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(const void* data, size_t size) {
  VTR_ASSERT(EVP_DigestUpdate(impl_->context.get(), data, size) == 1);
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  VTR_ASSERT(EVP_DigestFinal_ex(impl_->context.get(), digest, &size) == 1);
  return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
}

std::string md5(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  VTR_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr) == 1,
            "MD5 is not available: is OpenSSL here restricted to FIPS?");
  return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.hex();
}

std::string sha256_of_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  VTR_CHECK(in, "{}: cannot be read: {}", path.string(), std::strerror(errno));
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  do {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.add(buffer.data(), static_cast<size_t>(in.gcount()));
  } while (in);
  VTR_CHECK(in.eof(), "{}: cannot be read: {}", path.string(), std::strerror(errno));
  return hash.hex();
}

}  // namespace vtr
