// The processes of one job, as whoever launched them tells it: torchrun, SLURM's srun, or RANK,
// WORLD_SIZE, MASTER_ADDR and MASTER_PORT set by hand.
#pragma once

#include <cstdint>
#include <string>

namespace vtr::dist {

struct World {
  int64_t rank = 0, size = 1;
  int64_t local_rank = 0, local_size = 1;  // among those on this machine
  std::string host;                        // where the store is that all meet at; "": alone
  int64_t port = 0;
  bool by_srun = false;
  bool hosts_store = false;  // this process keeps it; under torchrun the launcher does
  std::string attempt;       // of the launcher to start the job; stores outlive attempts

  // Throws Error for variables that do not make sense. None at all: a process alone.
  static World of_environment();
};

// The first of SLURM's list of hosts: "node[003-007,9],login" -> "node003".
std::string first_host(const std::string& list);

}  // namespace vtr::dist
