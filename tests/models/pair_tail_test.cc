// A training step's scores and gradients on the CPU: the tail in blocks, and the heads it serves.
#include "heads/pair_tail.h"

#include "heads/heads.h"
#include "support/tensor_near.h"
#include "support/tiny_clip.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

constexpr int64_t kTexts = 9, kVideos = 5, kFrames = 4, kWidth = 24;

struct Case {
  std::string head, options;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.head << " " << c.options;
}

class TrainingScores : public testing::TestWithParam<Case> {};

std::shared_ptr<Head> made(const Case& of) {
  torch::manual_seed(1);
  auto head = make_head({of.head, YAML::Load(of.options)}, {.width = kWidth, .frames = kFrames});
  const torch::NoGradGuard no_grad;
  for (auto& p : head->parameters()) p.add_(0.2 * torch::randn_like(p));
  return head;
}

struct Result {
  Tensor sim;
  std::vector<std::pair<std::string, Tensor>> gradients;
};

// 2e-5 of the largest: the same sums in another order.
void expect_near(const Result& got, const Result& want) {
  EXPECT_TRUE(test::tensor_near(got.sim, want.sim, 2e-6));
  for (size_t i = 0; i < want.gradients.size(); ++i) {
    const auto& [name, gradient] = want.gradients[i];
    const double largest = gradient.abs().max().item<double>();
    EXPECT_TRUE(test::tensor_near(got.gradients[i].second, gradient, 2e-5 * largest + 1e-6))
        << name;
  }
}

// Of a loss in which no two pairs weigh the same.
void weigh(const Tensor& sim) {
  torch::manual_seed(5);
  (sim * torch::randn_like(sim)).sum().backward();
}

enum class Features { train, stand_still };

// As training goes, or pair by pair.
Result result_of(Head& head, int64_t texts, bool training, Features features) {
  torch::manual_seed(2);
  const bool wanted = features == Features::train;
  const Tensor pooled = torch::randn({texts, kWidth}).requires_grad_(wanted);
  const Tensor frames = torch::randn({kVideos, kFrames, kWidth}).requires_grad_(wanted);
  const Tensor mask = test::lengths_mask({4, 3, 1, 4, 2}, kFrames);
  head.train(training);
  head.zero_grad();
  const auto text = head.text({pooled, {}, {}});
  const auto video = head.video({frames, {}, mask});
  const Tensor sim = training ? head.score(text, video) : head.naive(text, video);
  weigh(sim);
  Result result{sim.detach(), {}};
  if (wanted) result.gradients = {{"texts", pooled.grad()}, {"frames", frames.grad()}};
  for (const auto& item : head.named_parameters()) {
    const Tensor& gradient = item.value().grad();
    result.gradients.emplace_back(
        item.key(), gradient.defined() ? gradient.clone() : torch::zeros_like(item.value()));
  }
  return result;
}

// Few texts and many: W_o is applied to the pairs or to the videos.
TEST_P(TrainingScores, AreThoseOfTheFormulasPairByPair) {
  const auto head = made(GetParam());
  for (const int64_t texts : {kFrames, kTexts}) {
    for (const auto features : {Features::train, Features::stand_still}) {
      expect_near(result_of(*head, texts, true, features),
                  result_of(*head, texts, false, features));
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all = {{"xpool", "{heads: 1, dropout: 0}"},
                           {"xpool", "{heads: 2, dropout: 0}"}};
  for (const std::string head : {"cross", "joint"}) {
    for (const std::string kind : {"none", "learned", "rotary", "relative"}) {
      for (const int topk : {0, 2}) {
        all.push_back(
            {head, fmt::format("{{heads: 2, dropout: 0, temporal: {}, topk: {}}}", kind, topk)});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Grid, TrainingScores, testing::ValuesIn(cases()), [](const auto& c) {
  std::string name = c.param.head + "_" + c.param.options;
  std::erase_if(name, [](char x) { return !std::isalnum(x) && x != '_'; });
  return name;
});

AttentionParts parts_of(int64_t width, double dropout) {
  AttentionOptions options;
  options.dropout = dropout;
  const auto norm = [&] { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})); };
  AttentionParts parts{options, 1, false, nullptr, torch::nn::Linear(width, width), norm(), norm()};
  const torch::NoGradGuard no_grad;
  for (auto& p : parts.norm2->parameters()) p.add_(0.2 * torch::randn_like(p));
  for (auto& p : parts.norm3->parameters()) p.add_(0.2 * torch::randn_like(p));
  return parts;
}

Tensor formula(const AttentionParts& parts, const Tensor& pooled, const Tensor& text) {
  torch::nn::LayerNorm norm2 = parts.norm2, norm3 = parts.norm3;
  torch::nn::Linear linear = parts.linear;
  const double dropout = parts.options.dropout;
  const Tensor dropped = drawn(pooled.sizes(), dropout);
  const Tensor z = norm2(pooled);
  const Tensor o = norm3(z + linear(z).masked_fill(dropped, 0) / (1 - dropout));
  return (o * text).sum(-1) / o.norm(2, -1);
}

// In one block and, at the width of CLIP, in several, the last of them short.
TEST(PairTail, HasTheGradientsOfTheFormulaWithWhatItDropped) {
  for (const double dropout : {0.0, 0.3}) {
    for (const std::vector<int64_t>& size : {std::vector<int64_t>{5, 9, 24}, {29, 40, 512}}) {
      torch::manual_seed(3);
      const auto parts = parts_of(size[2], dropout);
      const Tensor text = torch::randn({size[1], size[2]});
      const Tensor pooled = torch::randn({size[1], size[0], size[2]}).transpose(0, 1);
      const auto result = [&](auto score) {
        Tensor p = pooled.clone().requires_grad_(), t = unit(text).requires_grad_();
        std::vector<std::pair<std::string, Tensor>> leaves = {{"pooled", p},
                                                              {"text", t},
                                                              {"LN2 gain", parts.norm2->weight},
                                                              {"LN2 bias", parts.norm2->bias},
                                                              {"W", parts.linear->weight},
                                                              {"b", parts.linear->bias},
                                                              {"LN3 gain", parts.norm3->weight},
                                                              {"LN3 bias", parts.norm3->bias}};
        for (auto& leaf : leaves) leaf.second.mutable_grad() = Tensor();
        torch::manual_seed(4);
        const Tensor sim = score(parts, p, t);
        weigh(sim);
        for (auto& leaf : leaves) leaf.second = leaf.second.grad().clone();
        return Result{sim.detach(), leaves};
      };
      expect_near(result(pair_tail), result(formula));
    }
  }
}

TEST(PairTail, DropsTheShareAskedFor) {
  torch::manual_seed(6);
  EXPECT_FALSE(drawn({3, 5, 7}, 0).any().item<bool>());
  for (const double p : {0.1, 0.3, 0.99}) {
    const Tensor dropped = drawn({101, 103, 107}, p);
    // Five standard deviations, of all of them and by each of the four values of a draw.
    const Tensor flat = dropped.flatten().slice(0, 0, dropped.numel() / 4 * 4).view({-1, 4});
    const Tensor shares = flat.to(torch::kDouble).mean(0);
    const double deviation = std::sqrt(p * (1 - p) / static_cast<double>(flat.size(0)));
    EXPECT_TRUE(test::tensor_near(shares, torch::full({4}, p, torch::kDouble), 5 * deviation));
  }
}

}  // namespace
}  // namespace vtr::models
