#include "vtr/dist/group.h"

#include "nccl_library.h"
#include "watch.h"

#include "vtr/core/cores.h"
#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/core/log.h"

#define USE_C10D_GLOO  // as the wheel's LibTorch is built
#include <ATen/Parallel.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/types.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unistd.h>

namespace vtr::dist {
namespace {

using Millis = std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;
using Backend = c10::intrusive_ptr<c10d::Backend>;
constexpr Millis kLastWords{30000}, kPatience{10000};

std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

std::string host_name() {
  char name[256] = "?";
  ::gethostname(name, sizeof name - 1);
  return name;
}

// c10d writes a page of stack frames beside every error that it throws.
void be_quiet() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

// Says where it waits, once that takes long.
class WaitingFor {
 public:
  explicit WaitingFor(const World& world)
      : thread_([world](const std::stop_token& stop) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any met;
          if (met.wait_for(lock, stop, kPatience, [&] { return stop.stop_requested(); })) return;
          if (stop.stop_requested()) return;
          log::warn("[dist] rank {} waits for the others at {}:{} (MASTER_ADDR, MASTER_PORT)",
                    world.rank, world.host, world.port);
        }) {}

 private:
  std::jthread thread_;
};

Store open_store(const World& world, Millis limit) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(world.port);
  options.isServer = world.hosts_store;
  options.waitWorkers = false;
  options.timeout = limit;
  try {
    return c10::make_intrusive<c10d::PrefixStore>(
        "vtr/" + world.attempt, c10::make_intrusive<c10d::TCPStore>(world.host, options));
  } catch (const std::exception& error) {
    throw Error(fmt::format(
        "rank {} of {}: {} {}:{} within {} s (MASTER_ADDR, MASTER_PORT; train.dist_timeout): {}",
        world.rank, world.size, world.hosts_store ? "cannot listen at" : "found no store at",
        world.host, world.port, limit.count() / 1000, first_line(error)));
  }
}

std::string here_key(int64_t rank) { return fmt::format("here/{}", rank); }

// Every rank's name, when all have come.
std::vector<std::string> meet(c10d::Store& store, const World& world, Millis limit) {
  store.set(here_key(world.rank), fmt::format("rank {} ({})", world.rank, host_name()));
  std::vector<std::string> keys, names, missing;
  for (int64_t rank = 0; rank < world.size; ++rank) keys.push_back(here_key(rank));
  try {
    store.wait(keys, limit);
    for (const auto& key : keys) names.push_back(store.get_to_str(key));
  } catch (const std::exception& error) {
    for (int64_t rank = 0; rank < world.size; ++rank) {
      if (!store.check({here_key(rank)})) missing.push_back(std::to_string(rank));
    }
    throw Error(
        fmt::format("rank {}: of {} processes rank {} did not come within {} s "
                    "(train.dist_timeout): is it started, with the same MASTER_ADDR?",
                    world.rank, world.size, fmt::join(missing, ", "), limit.count() / 1000));
  }
  return names;
}

Backend connect(const Store& store, const World& world, Millis limit) {
  try {
    return c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", store), static_cast<int>(world.rank),
        static_cast<int>(world.size), c10d::ProcessGroupGloo::Options::create_default(limit));
  } catch (const std::exception& error) {
    throw Error(
        fmt::format("rank {}: no connection to the other ranks (GLOO_SOCKET_IFNAME names "
                    "the network interface): {}",
                    world.rank, first_line(error)));
  }
}

// torchrun sets OMP_NUM_THREADS=1 where nobody did; any other number is somebody's wish.
void use_own_cores(const World& world) {
  share_cores(world.local_size, /*own_masks=*/world.by_srun);
  const char* asked = std::getenv("OMP_NUM_THREADS");
  if (asked && std::string(asked) != "1") return;
  at::set_num_threads(static_cast<int>(cores()));
}

[[noreturn]] void end_process(const World& world, const std::string& why) {
  // The others need the store to read why.
  if (world.hosts_store) std::this_thread::sleep_for(3 * Pace().beat);
  std::fputs(
      fmt::format("vtr: rank {}: {}; all ranks end (--resume goes on)\n", world.rank, why).c_str(),
      stderr);
  std::_Exit(1);
}

}  // namespace

std::vector<std::vector<Tensor>> buckets_of(const std::vector<Tensor>& tensors, size_t bytes) {
  std::vector<std::vector<Tensor>> buckets;
  size_t held = 0;
  for (const Tensor& tensor : tensors) {
    if (buckets.empty() || held > bytes) {
      buckets.emplace_back();
      held = 0;
    }
    buckets.back().push_back(tensor);
    held += tensor.nbytes();
  }
  return buckets;
}

// Some tensors as one, while it is summed.
struct Group::Sum {
  std::vector<Tensor> tensors, flat;
  c10::intrusive_ptr<c10d::Work> work;
};

struct Group::Links {
  Store store;
  std::vector<std::string> names;
  std::map<c10::DeviceType, Backend> backends;
  Millis limit;
  std::optional<Watch> watch;

  c10d::Backend& of(const Tensor& x) const {
    const auto found = backends.find(x.device().type());
    VTR_ASSERT(found != backends.end());  // Group::open
    return *found->second;
  }

  // An exchange that fails because a rank is gone ends with the process: the watch finds out which.
  template <class Call>
  void exchange(Call call) {
    watch->count();
    try {
      call();
    } catch (const std::exception& error) {
      std::this_thread::sleep_for(2 * Pace().limit);
      const std::string late = watch->late();
      throw Error(
          late.empty()
              ? fmt::format("the exchange with the other ranks failed: {}", first_line(error))
              : fmt::format("{} lives but did not come within {} s (train.dist_timeout)", late,
                            limit.count() / 1000));
    }
  }
};

Group::Group() = default;

Group::Group(const World& world, std::chrono::seconds limit) : world_(world) {
  if (world.host.empty()) return;  // nobody to meet
  be_quiet();
  use_own_cores(world);
  auto links = std::make_unique<Links>();
  links->limit = limit;
  {
    const WaitingFor waiting(world);
    links->store = open_store(world, limit);
    links->names = meet(*links->store, world, limit);
  }
  links->backends[c10::kCPU] = connect(links->store, world, limit);
  links->watch.emplace(links->store->clone(), world.rank, links->names, Pace(),
                       [world](const std::string& why) { end_process(world, why); });
  links_ = std::move(links);
}

Group::~Group() {
  if (!links_) return;
  links_->watch.reset();
  for (const auto& item : links_->backends) item.second->shutdown();
  try {
    const std::string key = fmt::format("gone/{}", rank());
    links_->store->set(key, std::string("1"));
    for (int64_t other = 0; world_.hosts_store && other < size(); ++other) {
      links_->store->wait({fmt::format("gone/{}", other)}, kLastWords);
    }
  } catch (const std::exception&) {  // some rank ended otherwise, which was said before
  }
}

void Group::open(c10::Device device) {
  if (!links_ || links_->backends.contains(device.type())) return;
  links_->backends[device.type()] =
      make_nccl(c10::make_intrusive<c10d::PrefixStore>("nccl", links_->store), world_.rank,
                world_.size, links_->limit);
  // Whether all reach all shows with the first exchange.
  const Tensor ones = torch::ones({1}, device);
  sum({ones});
  VTR_CHECK(ones.item<int64_t>() == size(), "NCCL: {} of {} ranks answered", ones.item<int64_t>(),
            size());
}

Tensor Group::gather(const Tensor& x) {
  if (!links_) return x.detach();
  Tensor own = x.detach().contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.front() *= size();
  Tensor all = torch::empty(shape, own.options());
  links_->exchange([&] { links_->of(own)._allgather_base(all, own)->wait(); });
  return all;
}

Tensor Group::gather_rows(const Tensor& x) {
  if (!links_) return x.detach();
  const Tensor rows = gather(torch::full({1}, x.size(0), torch::kLong));
  const int64_t most = rows.max().item<int64_t>();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.front() = most;
  Tensor padded = torch::zeros(shape, x.options().requires_grad(false));
  padded.narrow(0, 0, x.size(0)).copy_(x.detach());
  const Tensor all = gather(padded);
  std::vector<Tensor> parts;
  for (int64_t rank = 0; rank < size(); ++rank) {
    parts.push_back(all.narrow(0, rank * most, rows[rank].item<int64_t>()));
  }
  return torch::cat(parts);
}

std::shared_ptr<Group::Sum> Group::begin_sum(const std::vector<Tensor>& tensors) {
  const torch::NoGradGuard no_grad;
  auto sum = std::make_shared<Sum>();
  sum->tensors = tensors;
  if (!links_) return sum;
  std::vector<Tensor> rows;
  for (const Tensor& tensor : tensors) rows.push_back(tensor.reshape({-1}));
  sum->flat = {torch::cat(rows)};
  links_->exchange([&] { sum->work = links_->of(sum->flat[0]).allreduce(sum->flat); });
  return sum;
}

void Group::end_sum(Sum& sum) {
  if (!links_) return;
  const torch::NoGradGuard no_grad;
  links_->exchange([&] { sum.work->wait(); });
  int64_t begin = 0;
  for (Tensor& tensor : sum.tensors) {
    tensor.copy_(sum.flat[0].narrow(0, begin, tensor.numel()).view(tensor.sizes()));
    begin += tensor.numel();
  }
  sum = {};
}

// One bucket is put together while the one before it is on its way.
void Group::sum(const std::vector<Tensor>& tensors) {
  std::shared_ptr<Sum> before;
  for (const auto& bucket : buckets_of(tensors, kBucketBytes)) {
    auto now = begin_sum(bucket);
    if (before) end_sum(*before);
    before = std::move(now);
  }
  if (before) end_sum(*before);
}

void Group::broadcast(const std::vector<Tensor>& tensors) {
  if (!links_) return;
  const torch::NoGradGuard no_grad;
  for (Tensor tensor : tensors) {
    std::vector<Tensor> sent = {tensor.detach().contiguous()};
    links_->exchange([&] { links_->of(tensor).broadcast(sent)->wait(); });
    tensor.copy_(sent[0]);
  }
}

void Group::check_same(const std::string& what, const std::string& value) {
  if (!links_) return;
  const auto digest = static_cast<int64_t>(std::stoull(sha256(value).substr(0, 15), nullptr, 16));
  const Tensor all = gather(torch::full({1}, digest, torch::kLong));
  std::vector<std::string> others;
  for (int64_t rank = 1; rank < size(); ++rank) {
    if (!all[rank].equal(all[0])) others.push_back(links_->names[static_cast<size_t>(rank)]);
  }
  VTR_CHECK(others.empty(), "{} of {} differs from that of {}; here: {}", what,
            fmt::join(others, ", "), links_->names[0], value);
}

bool Group::any(bool value) {
  const Tensor count = torch::full({1}, value ? 1 : 0, torch::kLong);
  sum({count});
  return count.item<int64_t>() > 0;
}

void Group::fail(const std::string& why) {
  if (!links_) return;
  links_->watch->fail(why);
  for (const auto& item : links_->backends) item.second->abort();
  links_.reset();
}

}  // namespace vtr::dist
