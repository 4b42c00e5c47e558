// The gradients of a step summed over the ranks while the way back still goes on.
//
//   dist::Gradients gradients(group, model.parameters());
//   ...                                        // ways back that only add to the gradients
//   gradients.backward(roots, their_gradients);   // the last one: all are sums after it
//
// A bucket of gradients is sent as soon as the last way back has been through all of them. In which
// order it comes to them is learned from the first step; the same parameters have gradients on all
// ranks, and one that had one in the first step has zeros in a step without. What c10d's Reducer
// does for one way back a step, for steps of several (GradCache), where a parameter has its
// gradient before the last one.
#pragma once

#include "vtr/dist/group.h"

#include <memory>
#include <vector>

namespace vtr::dist {

class Gradients {
 public:
  // Of those parameters that require gradients.
  Gradients(Group& group, const std::vector<Tensor>& parameters,
            size_t bucket_bytes = kBucketBytes);
  ~Gradients();
  // The same on every rank; without roots the gradients that are there are summed.
  void backward(const std::vector<Tensor>& roots, const std::vector<Tensor>& gradients);
  // Buckets that were on their way before the last way back had ended.
  int64_t overlapped() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtr::dist
