// Several ranks as threads of one process, over a port of this machine.
//
//   run_ranks(3, [&](dist::Group& group) { ... });
#pragma once

#include "vtr/core/error.h"
#include "vtr/dist/group.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <future>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace vtr::test {

// One that nobody listens at now.
inline int64_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  VTR_CHECK(::bind(socket, name, size) == 0 && ::getsockname(socket, name, &size) == 0, "no port");
  ::close(socket);
  return ntohs(address.sin_port);
}

inline dist::World rank_of(int64_t rank, int64_t ranks, int64_t port) {
  return {.rank = rank,
          .size = ranks,
          .local_rank = rank,
          .local_size = ranks,
          .host = "127.0.0.1",
          .port = port,
          .hosts_store = rank == 0,
          .attempt = "0"};
}

// Throws what a rank throws. LibTorch records collective calls for a process, and would do so from
// the ranks' threads at once without a lock: it is told to record none.
template <class Call>
void run_ranks(int64_t ranks, Call call) {
  ::setenv("TORCH_FR_BUFFER_SIZE", "0", 1);
  const int64_t port = free_port();
  std::vector<std::future<void>> running;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    running.push_back(std::async(std::launch::async, [=, &call] {
      dist::Group group(rank_of(rank, ranks, port), std::chrono::seconds(20));
      call(group);
    }));
  }
  for (auto& one : running) one.get();
}

}  // namespace vtr::test
