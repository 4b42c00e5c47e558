// What the processes of one job say to each other: tensors, those on the CPU over Gloo and those on
// a GPU over NCCL, and whether all still live. A process alone has a group too; nothing is
// exchanged then.
//
//   dist::Group group(dist::World::of_environment(), std::chrono::seconds(600));
//   Tensor all = group.gather(mine);   // [n, ...] of every rank -> [size * n, ...]
//
// Every rank makes the same calls in the same order. When a rank dies, hangs or fails, the others
// end within half a minute with a line that names it and exit code 1, wherever they are.
#pragma once

#include "vtr/core/tensor.h"
#include "vtr/dist/world.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace vtr::dist {

// Cut where a part has grown past so many bytes, as messages are.
constexpr size_t kBucketBytes = 25 << 20;
std::vector<std::vector<Tensor>> buckets_of(const std::vector<Tensor>& tensors, size_t bytes);

class Group {
 public:
  Group();
  // Meets the others, and takes this process's share of the machine's cores. `limit` is the longest
  // that ranks wait for each other, here and later. Throws Error that names those who did not come.
  Group(const World& world, std::chrono::seconds limit);
  ~Group();
  // From now on tensors on this GPU can be exchanged. Throws Error where NCCL cannot be had or the
  // others are not reached over it.
  void open(c10::Device device);
  bool alone() const { return !links_; }
  int64_t rank() const { return world_.rank; }
  int64_t size() const { return world_.size; }
  int64_t local_rank() const { return world_.local_rank; }

  // Every rank's x [n, ...], of one shape on all, in the order of ranks: [size * n, ...], detached.
  Tensor gather(const Tensor& x);
  // The same where ranks may have other numbers of rows: [their sum, ...].
  Tensor gather_rows(const Tensor& x);
  // Each tensor becomes its sum over the ranks, the same to the bit on all of them.
  void sum(const std::vector<Tensor>& tensors);
  // The same of tensors of one dtype on one device, in one message that is on its way when
  // begin_sum returns; they are the sums after end_sum.
  struct Sum;
  std::shared_ptr<Sum> begin_sum(const std::vector<Tensor>& tensors);
  void end_sum(Sum& sum);
  void broadcast(const std::vector<Tensor>& tensors);  // each becomes rank 0's
  bool any(bool value);                                // whether it is true on some rank
  // Throws Error on every rank, naming those whose value is not rank 0's.
  void check_same(const std::string& what, const std::string& value);
  // The others end too, and say why. For an error that this rank will not go on from.
  void fail(const std::string& why);

 private:
  struct Links;
  World world_;
  std::unique_ptr<Links> links_;  // none: alone
};

}  // namespace vtr::dist
