#include "worker_pool.h"

#include "support/error_of.h"
#include "support/temp_dir.h"

#include "vtr/data/shapes.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace vtr::data {
namespace {

// While it lives there is room for a dozen threads' stacks.
class FewThreads {
 public:
  FewThreads() {
    getrlimit(RLIMIT_AS, &before_);
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit few = before_;
    few.rlim_cur = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (100 << 20);
    setrlimit(RLIMIT_AS, &few);
  }
  ~FewThreads() { setrlimit(RLIMIT_AS, &before_); }
  FewThreads(const FewThreads&) = delete;
  FewThreads& operator=(const FewThreads&) = delete;

 private:
  rlimit before_{};
};

TEST(WorkerPool, ThreadsThatCannotBeStartedAreAnErrorThatNamesTheOption) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs more addresses than the limit leaves";
#endif
  test::TempDir dir;
  std::string pool, shapes;
  {
    const FewThreads limit;
    pool = test::error_of([] { WorkerPool(1000); });
    shapes = test::error_of([&] {
      make_shapes(dir / "shapes", {.train = 1000, .test = 0, .stills = true, .workers = 1000});
    });
  }
  EXPECT_TRUE(pool.starts_with("data.workers: 1000 threads cannot be started (")) << pool;
  EXPECT_TRUE(shapes.starts_with("workers: 1000 threads cannot be started (")) << shapes;
}

TEST(WorkerPool, WhatATaskThrowsIsTheFutures) {
  WorkerPool pool(2);
  auto bad = pool.run([]() -> int { throw Error("no"); });
  auto good = pool.run([] { return 7; });
  test::expect_error([&] { bad.get(); }, "no");
  EXPECT_EQ(good.get(), 7);
}

}  // namespace
}  // namespace vtr::data
