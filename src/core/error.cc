#include "vtr/core/error.h"

#include <cstdio>
#include <cstdlib>

namespace vtr {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "vtr: bug: %s is false at %s:%d; please report it\n", condition, file, line);
  std::abort();
}

}  // namespace vtr
