// Scores of training without dropout, which factor, against those formed pair by pair.
#include "heads/factored/pairs.h"

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

class Pairs : public testing::TestWithParam<Case> {};

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

// Of a loss in which no two pairs weigh the same.
Result result_of(Head& head) {
  torch::manual_seed(2);
  const Tensor texts = torch::randn({kTexts, kWidth}).requires_grad_();
  const Tensor frames = torch::randn({kVideos, kFrames, kWidth}).requires_grad_();
  const Tensor mask = test::lengths_mask({4, 3, 1, 4, 2}, kFrames);
  head.zero_grad();
  const Tensor sim = head.score(head.text({texts, {}, {}}), head.video({frames, {}, mask}));
  (sim * torch::randn_like(sim)).sum().backward();
  Result result{sim.detach(), {{"texts", texts.grad()}, {"frames", frames.grad()}}};
  for (const auto& item : head.named_parameters()) {
    const Tensor& gradient = item.value().grad();
    result.gradients.emplace_back(
        item.key(), gradient.defined() ? gradient.clone() : torch::zeros_like(item.value()));
  }
  return result;
}

// 2e-5 of the largest: the same sums in another order.
TEST_P(Pairs, TrainingWithoutDropoutHasTheScoresAndGradientsOfTheFormulas) {
  const auto head = made(GetParam());
  head->eval();
  const Result want = result_of(*head);
  head->train();
  const Result got = result_of(*head);
  EXPECT_FALSE(got.sim.equal(want.sim)) << "the same road was taken twice";
  EXPECT_TRUE(test::tensor_near(got.sim, want.sim, 2e-6));
  for (size_t i = 0; i < want.gradients.size(); ++i) {
    const auto& [name, gradient] = want.gradients[i];
    const double largest = gradient.abs().max().item<double>();
    EXPECT_TRUE(test::tensor_near(got.gradients[i].second, gradient, 2e-5 * largest + 1e-6))
        << name;
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

INSTANTIATE_TEST_SUITE_P(Grid, Pairs, testing::ValuesIn(cases()), [](const auto& c) {
  std::string name = c.param.head + "_" + c.param.options;
  std::erase_if(name, [](char x) { return !std::isalnum(x) && x != '_'; });
  return name;
});

TEST(Pairs, WithDropoutEveryPairDrawsItsOwn) {
  const auto head = made({"joint", "{heads: 2, dropout: 0.5}"});
  head->train();
  const auto once = [&](uint64_t seed) {
    torch::manual_seed(3);
    const auto text = head->text({torch::randn({kTexts, kWidth}), {}, {}});
    const auto video = head->video({torch::randn({kVideos, kFrames, kWidth}),
                                    {},
                                    torch::ones({kVideos, kFrames}, torch::kBool)});
    torch::manual_seed(seed);
    return head->score(text, video);
  };
  EXPECT_TRUE(once(4).equal(once(4)));
  EXPECT_FALSE(once(4).equal(once(5)));
}

}  // namespace
}  // namespace vtr::models
