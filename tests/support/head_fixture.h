// A head held against a restatement of its formulas in PyTorch (scripts/head_fixtures/): the score
// or the penalty, and the gradients of every parameter and input, 1e-4 of the largest.
//
//   HeadFixture fixture("heads_sequence");
//   fixture.expect_sim(*head, "seq_transf");
#pragma once

#include "support/fixture.h"
#include "support/tensor_near.h"

#include "vtr/models/head.h"

#include <set>
#include <string>

namespace vtr::test {

class HeadFixture {
 public:
  explicit HeadFixture(const std::string& name) : tensors_(load_fixture("models/" + name)) {}

  void expect_sim(models::Head& head, const std::string& name) const {
    expect_sim(head, name, name);
  }
  // With the weights that several cases share.
  void expect_sim(models::Head& head, const std::string& name, const std::string& weights) const {
    load_weights(head, weights);
    const Inputs x = inputs(name);
    const at::Tensor sim = head.score(head.text(x.texts), head.video(x.videos));
    expect_near(sim, name + "/sim");
    (sim * at(name + "/upstream")).sum().backward();
    expect_gradients(head, x, name);
  }
  void expect_penalty(models::Head& head, const std::string& name) const {
    load_weights(head, name);
    const Inputs x = inputs(name);
    const at::Tensor penalty = head.penalty(head.text(x.texts), head.video(x.videos));
    expect_near(penalty, name + "/penalty");
    penalty.backward();
    expect_gradients(head, x, name);
  }

 private:
  struct Inputs {
    models::TextFeatures texts;
    models::VideoFeatures videos;
  };

  // The inputs, with the counts that a case has of its own.
  Inputs inputs(const std::string& name) const {
    Inputs x{{input("text"), input("tokens"), {}}, {input("frames"), input("patches"), {}}};
    x.texts.mask = mask_of(name, "words", x.texts.tokens);
    x.videos.mask = mask_of(name, "lengths", x.videos.frames);
    if (tensors_.contains("inputs/times")) x.videos.times = at("inputs/times");
    return x;
  }

  const at::Tensor& at(const std::string& key) const { return tensors_.at(key); }
  at::Tensor input(const std::string& key) const {
    const auto found = tensors_.find("inputs/" + key);
    return found == tensors_.end() ? at::Tensor() : found->second.clone().requires_grad_();
  }
  at::Tensor mask_of(const std::string& name, const std::string& counts,
                     const at::Tensor& rows) const {
    const auto own = tensors_.find(name + "/" + counts);
    const at::Tensor& count = own == tensors_.end() ? at("inputs/" + counts) : own->second;
    return at::arange(rows.size(1)).unsqueeze(0) < count.unsqueeze(1);
  }

  // The head's parameters and the fixture's weights must have the same names.
  void load_weights(models::Head& head, const std::string& name) const {
    const torch::NoGradGuard no_grad;
    const std::string prefix = name + "/weights/";
    std::set<std::string> left;
    for (const auto& [key, value] : tensors_) {
      if (key.starts_with(prefix)) left.insert(key.substr(prefix.size()));
    }
    for (const auto& p : head.named_parameters()) {
      EXPECT_EQ(left.erase(p.key()), 1) << p.key();
      p.value().copy_(at(prefix + p.key()));
    }
    EXPECT_TRUE(left.empty()) << *left.begin();
  }

  void expect_gradients(models::Head& head, const Inputs& x, const std::string& name) const {
    for (const auto& p : head.named_parameters()) expect_gradient(p.value(), name, p.key());
    expect_gradient(x.texts.pooled, name, "text");
    expect_gradient(x.texts.tokens, name, "tokens");
    expect_gradient(x.videos.frames, name, "frames");
    if (x.videos.patches.defined()) expect_gradient(x.videos.patches, name, "patches");
  }

  // What is not used has no gradient in the fixture, and none or zero here.
  void expect_gradient(const at::Tensor& leaf, const std::string& name,
                       const std::string& part) const {
    const std::string key = name + "/grads/" + part;
    if (tensors_.contains(key)) return expect_near(leaf.grad(), key);
    EXPECT_TRUE(!leaf.grad().defined() || leaf.grad().count_nonzero().item<int64_t>() == 0) << key;
  }

  // 4e-6: a bias before a softmax or a batch norm has a gradient of rounding only.
  void expect_near(const at::Tensor& got, const std::string& key) const {
    const double largest = at(key).abs().max().item<double>();
    EXPECT_TRUE(tensor_near(got, at(key), 1e-4 * largest + 4e-6)) << key;
  }

  Fixture tensors_;
};

}  // namespace vtr::test
