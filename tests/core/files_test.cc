#include "vtr/core/files.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/core/error.h"

#include <gtest/gtest.h>

#include <csignal>
#include <sys/resource.h>

namespace vtr {
namespace {

TEST(Files, AWriteReplacesWholeFiles) {
  const test::TempDir dir;
  write_file(dir / "x", "old");
  write_file(dir / "x", std::string(100000, 'n'));
  EXPECT_EQ(read_file(dir / "x"), std::string(100000, 'n'));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1)
      << "nothing is left beside it";
}

// A limit on the file size stands in for a full disk: both end in a short write.
TEST(Files, AWriteThatFailsLeavesTheOldFile) {
  const test::TempDir dir;
  write_file(dir / "x", "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_file(dir / "x", std::string(5000, 'n')), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read_file(dir / "x"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

TEST(Files, NoPathLeavesItsFolder) {
  EXPECT_EQ(resolve_inside("/data", "a/b.mp4", "x"), fs::path("/data/a/b.mp4"));
  EXPECT_EQ(resolve_inside("/data", "a/../b.mp4", "x"), fs::path("/data/b.mp4"));
  for (const std::string path : {"../b", "/etc/passwd", "a/../../b", "", ".."}) {
    EXPECT_THROW(resolve_inside("/data", path, "x"), Error) << path;
  }
}

TEST(Files, AMissingOneIsNamed) {
  EXPECT_THROW(read_file("/no/such/file"), Error);
  EXPECT_THROW(read_file("/tmp"), Error);
  test::expect_error([] { find_shipped("configs", "no_such_thing.yaml"); },
                     "no such file or folder");
  for (const std::string typed : {"msrvt9k.yaml", "msrvtt9k"}) {
    test::expect_error([&] { find_shipped("configs", typed); }, "(did you mean msrvtt9k.yaml?)");
  }
  EXPECT_TRUE(fs::exists(find_shipped("configs", "shapes.yaml")));
}

TEST(Files, AFolderIsLockedByOneAtATime) {
  const test::TempDir dir;
  {
    const FolderLock lock(dir.path());
    test::expect_error([&] { const FolderLock again(dir.path()); },
                       "another process is at work in this folder");
  }
  const FolderLock again(dir.path());
  test::expect_error([&] { const FolderLock none(dir / "none"); }, "No such file");
}

}  // namespace
}  // namespace vtr
