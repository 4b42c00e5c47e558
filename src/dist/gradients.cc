#include "vtr/dist/gradients.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace vtr::dist {
namespace {

class Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit Hook(std::function<void()> call) : call_(std::move(call)) {}
  void operator()(const Tensor& /*parameter*/) override { call_(); }

 private:
  std::function<void()> call_;
};

}  // namespace

struct Gradients::Impl {
  struct Bucket {
    std::vector<Tensor> parameters;
    size_t passed = 0;  // by this way back
    std::shared_ptr<Group::Sum> sum = {};
  };

  explicit Impl(Group& ranks) : group(ranks) {}

  Group& group;
  std::vector<Tensor> parameters;
  bool last = false;             // the way back that goes on is a step's last
  std::vector<int64_t> order;    // of parameters, as the first step's last way back came to them
  std::vector<int64_t> bucket;   // of each parameter; -1: of those it did not come to
  std::vector<Bucket> buckets;   // in the order in which every rank sends them
  size_t sent = 0;
  int64_t overlapped = 0;

  void passed(int64_t parameter);
  void send_next() { buckets[sent].sum = group.begin_sum(gradients_of(buckets[sent])), ++sent; }
  static std::vector<Tensor> gradients_of(Bucket& bucket);
  void make_buckets();
  void finish();
};

// A gradient that this step does not have is the same zeros on all ranks.
std::vector<Tensor> Gradients::Impl::gradients_of(Bucket& bucket) {
  std::vector<Tensor> gradients;
  for (Tensor& parameter : bucket.parameters) {
    if (!parameter.grad().defined()) parameter.mutable_grad() = torch::zeros_like(parameter);
    gradients.push_back(parameter.grad());
  }
  return gradients;
}

void Gradients::Impl::passed(int64_t parameter) {
  if (!last) return;
  if (buckets.empty()) {
    order.push_back(parameter);
    return;
  }
  const int64_t own = bucket[static_cast<size_t>(parameter)];
  if (own < 0) return;
  ++buckets[static_cast<size_t>(own)].passed;
  while (sent < buckets.size() && buckets[sent].passed == buckets[sent].parameters.size()) {
    send_next();
    ++overlapped;
  }
}

// Rank 0's order, for all.
void Gradients::Impl::make_buckets() {
  const Tensor found = torch::tensor(order, torch::kLong);
  group.broadcast({found});
  bucket.assign(parameters.size(), -1);
  std::vector<Tensor> ordered;
  for (int64_t i = 0; i < found.numel(); ++i) {
    ordered.push_back(parameters[static_cast<size_t>(found[i].item<int64_t>())]);
  }
  size_t next = 0;
  for (auto& some : buckets_of(ordered)) {
    for (size_t i = 0; i < some.size(); ++i) {
      bucket[static_cast<size_t>(found[next++].item<int64_t>())] = std::ssize(buckets);
    }
    buckets.push_back({std::move(some)});
  }
}

void Gradients::Impl::finish() {
  while (sent < buckets.size()) send_next();
  std::vector<Tensor> rest;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool apart = buckets.empty() || bucket[i] < 0;
    if (apart && parameters[i].grad().defined()) rest.push_back(parameters[i].grad());
  }
  group.sum(rest);
  for (Bucket& one : buckets) {
    group.end_sum(*one.sum);
    one.sum = {};
    one.passed = 0;
  }
  sent = 0;
}

Gradients::Gradients(Group& group, const std::vector<Tensor>& parameters)
    : impl_(std::make_unique<Impl>(group)) {
  for (const Tensor& parameter : parameters) {
    if (parameter.requires_grad()) impl_->parameters.push_back(parameter);
  }
  if (group.alone()) return;
  for (int64_t i = 0; i < std::ssize(impl_->parameters); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(
        impl_->parameters[static_cast<size_t>(i)],
        std::make_unique<Hook>([impl = impl_.get(), i] { impl->passed(i); }));
  }
}

Gradients::~Gradients() {
  for (const Tensor& parameter : impl_->parameters) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  }
}

void Gradients::backward(const std::vector<Tensor>& roots, const std::vector<Tensor>& gradients) {
  impl_->last = true;
  if (!roots.empty()) torch::autograd::backward(roots, gradients);
  impl_->last = false;
  if (impl_->group.alone()) return;
  impl_->finish();
  if (impl_->buckets.empty() && !impl_->order.empty()) impl_->make_buckets();
}

int64_t Gradients::overlapped() const { return impl_->overlapped; }

}  // namespace vtr::dist
