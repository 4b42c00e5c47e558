#include "optimizer.h"

#include "support/tensor_near.h"

#include "vtr/core/error.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace vtr::train {
namespace {

using test::tensor_near;

// Two trees, as the retriever has them: "clip." with the encoders' rate and "head." with the
// head's.
struct Net : torch::nn::Module {
  Net() {
    register_module("clip", clip);
    register_module("head", head);
  }
  Tensor loss(const Tensor& x) { return head(torch::relu(clip(x))).pow(2).mean(); }
  torch::nn::Linear clip{4, 8}, head{8, 3};
};

TrainOptions options() {
  TrainOptions o;
  o.lr = 1e-2;
  o.encoder_lr = 1e-3;
  o.weight_decay = 0.2;
  return o;
}

// LibTorch's own AdamW, set up by hand with the groups ours makes: matrices decay, vectors do not.
TEST(AdamW, EqualsLibTorchsOverTenSteps) {
  torch::manual_seed(1);
  Net ours, theirs;
  for (auto& p : theirs.named_parameters()) {
    const torch::NoGradGuard no_grad;
    p.value().copy_(ours.named_parameters()[p.key()]);
  }
  AdamW optimizer(ours, options());
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (const auto& p : theirs.named_parameters()) {
    auto group =
        std::make_unique<torch::optim::AdamWOptions>(p.key().starts_with("clip.") ? 1e-3 : 1e-2);
    group->betas({0.9, 0.98}).eps(1e-6).weight_decay(p.value().dim() >= 2 ? 0.2 : 0);
    groups.emplace_back(std::vector<Tensor>{p.value()}, std::move(group));
  }
  torch::optim::AdamW reference(groups);
  for (int step = 0; step < 10; ++step) {
    const Tensor x = torch::randn({5, 4});
    optimizer.zero_grad();
    ours.loss(x).backward();
    optimizer.step(1);
    reference.zero_grad();
    theirs.loss(x).backward();
    reference.step();
  }
  // The fused kernel orders its products otherwise: one rounding a step, of values up to 1.
  for (const auto& p : ours.named_parameters()) {
    EXPECT_TRUE(tensor_near(p.value(), theirs.named_parameters()[p.key()], 2e-6)) << p.key();
  }
}

TEST(AdamW, GoesOnFromItsStateToTheBit) {
  torch::manual_seed(2);
  Net whole;
  AdamW first(whole, options());
  std::vector<Tensor> inputs;
  for (int i = 0; i < 6; ++i) inputs.push_back(torch::randn({5, 4}));
  const auto run = [&](Net& net, AdamW& optimizer, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      optimizer.zero_grad();
      net.loss(inputs[i]).backward();
      optimizer.step(0.5);
    }
  };
  run(whole, first, 0, 3);
  Net resumed;
  for (auto& p : resumed.named_parameters()) {
    const torch::NoGradGuard no_grad;
    p.value().copy_(whole.named_parameters()[p.key()]);
  }
  AdamW second(resumed, options());
  models::TensorMap state;
  for (const auto& [name, tensor] : first.state()) state.emplace_back(name, tensor.clone());
  second.load_state(state);
  run(whole, first, 3, 6);
  run(resumed, second, 3, 6);
  for (const auto& p : whole.named_parameters()) {
    EXPECT_TRUE(torch::equal(p.value(), resumed.named_parameters()[p.key()])) << p.key();
  }
  state.pop_back();
  EXPECT_THROW(second.load_state(state), Error);
}

TEST(Freeze, HoldsWhatItsPatternsMatchAndRefusesThoseThatMatchNothing) {
  Net net;
  EXPECT_EQ(freeze(net, {"clip.*"}), 4 * 8 + 8);
  AdamW optimizer(net, options());
  EXPECT_EQ(optimizer.size(), 8 * 3 + 3);
  EXPECT_THROW(freeze(net, {"clap.*"}), Error);
}

}  // namespace
}  // namespace vtr::train
