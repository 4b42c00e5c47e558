// The one exception type: what a user or a file did wrong. Our own bugs abort through VTR_ASSERT.
//
//   VTR_CHECK(frames > 0, "{}: no frames (is this a video?)", path);
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string>

namespace vtr {

// Its message says where, what, and what to do; `main` prints it as one line and exits 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace vtr

#define VTR_CHECK(condition, ...)                                   \
  do {                                                              \
    if (!(condition)) throw ::vtr::Error(fmt::format(__VA_ARGS__)); \
  } while (false)

#define VTR_ASSERT(condition)                                                  \
  do {                                                                         \
    if (!(condition)) ::vtr::assertion_failed(#condition, __FILE__, __LINE__); \
  } while (false)
