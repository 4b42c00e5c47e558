// A head held against a restatement of its formulas in PyTorch (scripts/head_fixtures/): the score,
// and the gradients of every parameter and input, 1e-4 of the largest.
//
//   HeadFixture fixture("heads_sequence");
//   fixture.expect_equal(*head, "seq_transf");
#pragma once

#include "support/tensor_near.h"

#include "vtr/models/head.h"
#include "vtr/models/weights/safetensors.h"

#include <map>
#include <set>
#include <string>

namespace vtr::test {

class HeadFixture {
 public:
  explicit HeadFixture(const std::string& name) {
    for (auto& [key, value] :
         models::load_safetensors(VTR_FIXTURES "/models/" + name + ".safetensors"))
      tensors_[key] = value;
  }

  void expect_equal(models::Head& head, const std::string& name) const {
    expect_equal(head, name, name);
  }

  // With the weights that several cases share.
  void expect_equal(models::Head& head, const std::string& name, const std::string& weights) const {
    load_weights(head, weights);
    models::TextFeatures texts{input("text"), input("tokens"), mask_of("words", "tokens")};
    models::VideoFeatures videos{input("frames"), {}, mask_of("lengths", "frames")};
    if (tensors_.contains("inputs/times")) videos.times = at("inputs/times");
    const at::Tensor sim = head.score(head.text(texts), head.video(videos));
    expect_near(sim, name + "/sim");
    (sim * at(name + "/upstream")).sum().backward();
    for (const auto& p : head.named_parameters())
      expect_near(p.value().grad(), name + "/grads/" + p.key());
    expect_near(texts.pooled.grad(), name + "/grads/text");
    expect_near(texts.tokens.grad(), name + "/grads/tokens");
    expect_near(videos.frames.grad(), name + "/grads/frames");
  }

 private:
  const at::Tensor& at(const std::string& key) const { return tensors_.at(key); }
  at::Tensor input(const std::string& key) const {
    return at("inputs/" + key).clone().requires_grad_();
  }
  at::Tensor mask_of(const std::string& counts, const std::string& rows) const {
    const at::Tensor& all = at("inputs/" + rows);
    return at::arange(all.size(1)).unsqueeze(0) < at("inputs/" + counts).unsqueeze(1);
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

  // An input that is not used has no gradient on either side.
  void expect_near(const at::Tensor& got, const std::string& key) const {
    const auto want = tensors_.find(key);
    if (want == tensors_.end()) {
      EXPECT_FALSE(got.defined()) << key;
      return;
    }
    // 1e-6: a bias before a softmax or a batch norm has a gradient of rounding only.
    const double largest = want->second.abs().max().item<double>();
    EXPECT_TRUE(tensor_near(got, want->second, 1e-4 * largest + 1e-6)) << key;
  }

  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace vtr::test
