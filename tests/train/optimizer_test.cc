#include "optimizer.h"

#include "ema.h"
#include "groups.h"
#include "support/error_of.h"
#include "support/tensor_near.h"

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <cmath>
#include <map>

namespace vtr::train {
namespace {

using test::expect_error;
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

constexpr double kLr = 1e-2, kEncoderLr = 1e-3, kDecay = 0.2;

TrainOptions options(const std::string& optimizer = "adamw") {
  TrainOptions o;
  o.optimizer = {optimizer, {}};
  o.lr = kLr;
  o.encoder_lr = kEncoderLr;
  o.weight_decay = kDecay;
  return o;
}

void copy_weights(const Net& from, Net& to) {
  const torch::NoGradGuard no_grad;
  for (auto& p : to.named_parameters()) p.value().copy_(from.named_parameters()[p.key()]);
}

// A rule in double precision for one parameter: `t` from 1; what it keeps is its own.
struct Kept {
  Tensor w, m, v;
};
using Rule = std::function<void(Kept&, const Tensor& g, int t, double rate, double decay)>;

void adamw(Kept& k, const Tensor& g, int t, double rate, double decay) {
  k.w = k.w * (1 - rate * decay);
  k.m = 0.9 * k.m + 0.1 * g;
  k.v = 0.98 * k.v + 0.02 * g * g;
  const Tensor m = k.m / (1 - std::pow(0.9, t)), v = k.v / (1 - std::pow(0.98, t));
  k.w = k.w - rate * m / (v.sqrt() + 1e-6);
}

void adam(Kept& k, const Tensor& gradient, int t, double rate, double decay) {
  const Tensor g = gradient + decay * k.w;
  k.m = 0.9 * k.m + 0.1 * g;
  k.v = 0.999 * k.v + 0.001 * g * g;
  const Tensor m = k.m / (1 - std::pow(0.9, t)), v = k.v / (1 - std::pow(0.999, t));
  k.w = k.w - rate * m / (v.sqrt() + 1e-8);
}

// The order of CLIP4Clip's: clip, moments, the quotient plus decay times weight, the rate.
void bert_adam(Kept& k, const Tensor& gradient, int, double rate, double decay) {
  const double norm = gradient.norm().item<double>();
  const Tensor g = gradient * std::min(1.0, 1.0 / (norm + 1e-6));
  k.m = 0.9 * k.m + 0.1 * g;
  k.v = 0.98 * k.v + 0.02 * g * g;
  k.w = k.w - rate * (k.m / (k.v.sqrt() + 1e-6) + decay * k.w);
}

class Rules : public testing::TestWithParam<std::pair<std::string, Rule>> {};

// Ten steps of gradients of norms on both sides of 1; matrices decay, vectors do not. Every update
// is as large as the rate whatever the gradient's size, so that float32 moments cost little.
TEST_P(Rules, EqualTheirFormulasInDoublePrecision) {
  torch::manual_seed(1);
  Net net;
  Optimizer optimizer(net, options(GetParam().first));
  std::map<std::string, Kept> want;
  for (const auto& p : net.named_parameters()) {
    const Tensor w = p.value().detach().to(torch::kDouble);
    want[p.key()] = {w, torch::zeros_like(w), torch::zeros_like(w)};
  }
  for (int t = 1; t <= 10; ++t) {
    const double factor = 1.0 / t;
    optimizer.zero_grad();
    (net.loss(torch::randn({5, 4})) * std::pow(4, t % 3)).backward();
    for (auto& p : net.named_parameters()) {
      const double rate = factor * (p.key().starts_with("clip.") ? kEncoderLr : kLr);
      const double decay = p.value().dim() >= 2 ? kDecay : 0;
      GetParam().second(want[p.key()], p.value().grad().to(torch::kDouble), t, rate, decay);
    }
    optimizer.step(factor);
  }
  for (const auto& p : net.named_parameters()) {
    EXPECT_TRUE(tensor_near(p.value(), want[p.key()].w, 2e-6)) << p.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizer, Rules,
                         testing::Values(std::pair("adamw", Rule(adamw)),
                                         std::pair("adam", Rule(adam)),
                                         std::pair("bert_adam", Rule(bert_adam))),
                         [](const auto& p) { return p.param.first; });

class EveryOptimizer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { torch::manual_seed(2); }
  void run(Net& net, Optimizer& optimizer, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      optimizer.zero_grad();
      net.loss(inputs[i]).backward();
      optimizer.step(0.5);
    }
  }
  const std::vector<Tensor> inputs = torch::randn({6, 5, 4}).unbind();
};

TEST_P(EveryOptimizer, GoesOnFromItsStateToTheBit) {
  Net whole;
  Optimizer first(whole, options(GetParam()));
  run(whole, first, 0, 3);
  Net resumed;
  copy_weights(whole, resumed);
  Optimizer second(resumed, options(GetParam()));
  models::TensorMap state;
  for (const auto& [name, tensor] : first.state()) state.emplace_back(name, tensor.clone());
  second.load_state(state);
  run(whole, first, 3, 6);
  run(resumed, second, 3, 6);
  for (const auto& p : whole.named_parameters()) {
    EXPECT_TRUE(torch::equal(p.value(), resumed.named_parameters()[p.key()])) << p.key();
  }
  state.pop_back();
  expect_error([&] { second.load_state(state); }, "no fitting");
}

// The scale divides before the parameter's own clipping, and a skipped step leaves no trace.
TEST_P(EveryOptimizer, DividesByTheScaleAndSkipsWhereAsked) {
  Net plain, scaled;
  copy_weights(plain, scaled);
  Optimizer one(plain, options(GetParam())), other(scaled, options(GetParam()));
  const Tensor go = torch::zeros({}), skip = torch::ones({});
  for (const auto& x : inputs) {
    one.zero_grad();
    other.zero_grad();
    plain.loss(x).backward();
    (scaled.loss(x) * 1024).backward();
    one.step(1);
    other.step(1, torch::full({}, 1024.0), go);
    for (auto& p : scaled.parameters()) p.mutable_grad().fill_(NAN);
    other.step(1, torch::full({}, 1024.0), skip);
  }
  for (const auto& p : plain.named_parameters()) {  // a power of two changes no bit but the clip's
    EXPECT_TRUE(tensor_near(scaled.named_parameters()[p.key()], p.value(), 1e-6)) << p.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizer, EveryOptimizer, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& entry : optimizers()) names.push_back(entry.name);
                           return names;
                         }()),
                         [](const auto& p) { return p.param; });

TEST(Optimizer, TellsTheNormsOfTheEncodersFromTheHeads) {
  Net net;
  Optimizer optimizer(net, options());
  net.loss(torch::randn({5, 4})).backward();
  const auto norms = optimizer.norms();
  ASSERT_EQ(norms.each.size(0), 4);
  EXPECT_EQ(norms.encoders, 2);
  const auto wanted = torch::stack({net.clip->weight.grad().norm(), net.clip->bias.grad().norm()});
  EXPECT_TRUE(tensor_near(norms.each.slice(0, 0, 2).norm(), wanted.norm(), 1e-6));
}

TEST(Freeze, HoldsWhatItsPatternsMatchAndRefusesThoseThatMatchNothing) {
  Net net;
  EXPECT_EQ(freeze(net, {"clip.*"}), 4 * 8 + 8);
  Optimizer optimizer(net, options());
  EXPECT_EQ(optimizer.size(), 8 * 3 + 3);
  expect_error([&] { freeze(net, {"clap.*"}); }, "train.freeze: no parameter matches 'clap.*'");
}

// Parameters of given names, each a matrix, as CLIP has them.
struct Named : torch::nn::Module {
  explicit Named(const std::vector<std::string>& names) {
    for (const auto& name : names) add(*this, name);
  }
  static void add(torch::nn::Module& to, const std::string& name) {
    const size_t dot = name.find('.');
    if (dot == std::string::npos) {
      to.register_parameter(name, torch::zeros({2, 2}));
      return;
    }
    const std::string head = name.substr(0, dot);
    const auto children = to.named_children();
    const auto child = children.contains(head)
                           ? children[head]
                           : to.register_module(head, std::make_shared<torch::nn::Module>());
    add(*child, name.substr(dot + 1));
  }
};

std::map<std::string, Trained> by_name(const torch::nn::Module& model, const TrainOptions& o) {
  std::map<std::string, Trained> result;
  for (const auto& item : trained(model, o)) result.emplace(item.name, item);
  return result;
}

TEST(Rates, FallFromBlockToBlockAndByPattern) {
  const Named model(std::vector<std::string>{
      "clip.visual.conv1.weight", "clip.visual.transformer.resblocks.0.w",
      "clip.visual.transformer.resblocks.2.w", "clip.visual.proj", "clip.token_embedding.weight",
      "clip.transformer.resblocks.0.w", "clip.logit_scale", "head.w"});
  TrainOptions o;
  o.lr = 1;
  o.encoder_lr = 1;
  o.layer_decay = 0.5;
  o.rates = {"head.*=10", "clip.visual.conv1.*=2"};
  const auto rates = by_name(model, o);
  EXPECT_EQ(rates.at("clip.visual.conv1.weight").rate, 2 * std::pow(0.5, 4));
  EXPECT_EQ(rates.at("clip.visual.transformer.resblocks.0.w").rate, std::pow(0.5, 3));
  EXPECT_EQ(rates.at("clip.visual.transformer.resblocks.2.w").rate, 0.5);
  EXPECT_EQ(rates.at("clip.visual.proj").rate, 1);
  EXPECT_EQ(rates.at("clip.token_embedding.weight").rate, 0.25);
  EXPECT_EQ(rates.at("clip.transformer.resblocks.0.w").rate, 0.5);
  EXPECT_EQ(rates.at("clip.logit_scale").rate, 1);
  EXPECT_EQ(rates.at("head.w").rate, 10);
}

TEST(Rates, RefuseWhatFitsNothing) {
  const Net net;
  TrainOptions o;
  o.rates = {"clap.*=2"};
  expect_error([&] { trained(net, o); }, "train.rates: no parameter matches 'clap.*'");
  for (const std::string wrong : {"clip.*", "clip.*=", "clip.*=x", "clip.*=-1", ""}) {
    o.rates = {wrong};
    expect_error([&] { trained(net, o); }, "train.rates: '" + wrong + "' is not written");
  }
  o.rates = {};
  o.layer_decay = 0.9;
  expect_error([&] { trained(net, o); }, "train.layer_decay");
}

TEST(Decay, IsOfMatricesOfAllOrOfAllButBiases) {
  const Net net;
  TrainOptions o;
  o.weight_decay = 1;
  const auto decays = [&](const std::string& which) {
    o.decay = which;
    const auto all = by_name(net, o);
    return std::pair(all.at("head.weight").decay, all.at("head.bias").decay);
  };
  EXPECT_EQ(decays("matrices"), std::pair(1.0, 0.0));
  EXPECT_EQ(decays("no_bias"), std::pair(1.0, 0.0));
  EXPECT_EQ(decays("all"), std::pair(1.0, 1.0));
}

// As a checkpoint has them: the average for the model, the weights that train beside it.
TEST(Ema, IsTheRunningMeanAndGoesOnFromItsState) {
  Net net, other;
  Ema ema(net, 0.75);
  const Tensor start = net.head->weight.detach().clone();
  {
    const torch::NoGradGuard no_grad;
    net.head->weight.add_(1);
  }
  ema.update();
  models::TensorMap state;
  for (const auto& [name, tensor] : ema.state()) state.emplace_back(name, tensor.clone());
  {
    const Ema::InUse average(ema);
    EXPECT_TRUE(tensor_near(net.head->weight, start + 0.25, 1e-6));
    copy_weights(net, other);
  }
  EXPECT_TRUE(tensor_near(net.head->weight, start + 1, 1e-6));
  Ema resumed(other, 0.75);
  resumed.load_state(state);
  ema.update();
  resumed.update();
  EXPECT_TRUE(torch::equal(other.head->weight, net.head->weight));
  const Ema::InUse first(ema), second(resumed);
  EXPECT_TRUE(torch::equal(other.head->weight, net.head->weight));
}

}  // namespace
}  // namespace vtr::train
