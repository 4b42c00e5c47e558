#include "vtr/core/hash.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

namespace vtr {
namespace {

// The examples of FIPS 180-2.
TEST(Hash, IsSha256) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hash, OfAFileIsThatOfItsBytes) {
  const test::TempDir dir;
  const std::string bytes(3000001, 'x');
  EXPECT_EQ(sha256_of_file(dir.write("a", bytes)), sha256(bytes));
  EXPECT_EQ(sha256_of_file(dir.write("empty", "")), sha256(""));
  test::expect_error([&] { sha256_of_file(dir / "none"); }, "none: cannot be read");
}

}  // namespace
}  // namespace vtr
