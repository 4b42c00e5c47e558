#include "vtr/cli/cli.h"

#include <cstdlib>
#include <unistd.h>

// OpenMP's threads spin for milliseconds while they wait by default, and take the cores from the
// threads that decode: a training step was seen to take three times as long on a busy machine. Not
// to spin at all costs a short step a third: so they spin for some 50 us. The policy is read when
// the library loads, before main, so the program starts itself again with the better one.
static void wait_briefly(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("GOMP_SPINCOUNT", "3000", 0);
  execv("/proc/self/exe", argv);  // returns only when it failed: then go on as it is
}

int main(int argc, char** argv) {
  wait_briefly(argv);
  return vtr::cli::main(argc, argv);
}
