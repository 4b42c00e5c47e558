#include "heads/heads.h"

#include "support/meta.h"
#include "temporal/temporal.h"

#include "vtr/models/head.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/normalization.h>
#include <torch/nn/module.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

constexpr int64_t kTexts = 5, kVideos = 4, kFrames = 6, kWidth = 16, kWords = 3, kPatches = 4;
constexpr HeadContext kContext{.width = kWidth, .frames = kFrames, .words = kWords};

// The last text has two tokens only.
TextFeatures random_texts(int64_t n = kTexts) {
  const Tensor mask = torch::ones({n, kWords}, torch::kBool);
  mask[n - 1].slice(0, 2).fill_(false);
  return {torch::randn({n, kWidth}), torch::randn({n, kWords, kWidth}), mask};
}

// The last video has two frames only.
VideoFeatures random_videos(int64_t m = kVideos) {
  const Tensor mask = torch::ones({m, kFrames}, torch::kBool);
  mask[m - 1].slice(0, 2).fill_(false);
  return {torch::randn({m, kFrames, kWidth}), torch::randn({m, kFrames, kPatches, kWidth}), mask,
          1.5 * torch::arange(kFrames, torch::kFloat).expand({m, kFrames})};
}

template <class Features, class F>
Features mapped(Features features, F f) {
  Tensor* parts[4];
  size_t n = 0;
  if constexpr (std::is_same_v<Features, TextFeatures>) {
    for (Tensor* part : {&features.pooled, &features.tokens, &features.mask}) parts[n++] = part;
  } else {
    for (Tensor* part : {&features.frames, &features.patches, &features.mask, &features.times})
      parts[n++] = part;
  }
  for (size_t i = 0; i < n; ++i) *parts[i] = f(*parts[i]);
  return features;
}

config::Node options_of(const std::string& head, const std::string& temporal, int64_t topk,
                        int64_t heads) {
  config::Node node(YAML::NodeType::Map);
  if (head == "cross" || head == "joint") {
    node["temporal"] = temporal;
    node["heads"] = heads;
    node["init_noise"] = "0.5";
  }
  if (head != "mean_pool") node["topk"] = topk;
  return node;
}

// Every parameter moved off its start, so that no term hides behind a one or a zero.
void perturb(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (auto& p : module.parameters()) p.add_(0.2 * torch::randn_like(p));
}

class EveryHead : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    torch::manual_seed(1);
    head = make_head({GetParam(), config::Node(YAML::NodeType::Map)}, kContext);
    head->eval();
  }
  std::shared_ptr<Head> head;
};

TEST_P(EveryHead, ScoresAreTextsByVideosAndFinite) {
  const Tensor sim = head->score(head->text(random_texts()), head->video(random_videos()));
  EXPECT_EQ(sim.sizes(), (std::vector<int64_t>{kTexts, kVideos}));
  EXPECT_TRUE(sim.isfinite().all().item<bool>());
  EXPECT_LE(sim.abs().max().item<float>(), 1 + 1e-5);
}

TEST_P(EveryHead, PermutingVideosPermutesColumns) {
  const auto text = head->text(random_texts());
  const auto videos = random_videos();
  const Tensor order = torch::tensor({2, 0, 3, 1});
  const Tensor sim = head->score(text, head->video(videos));
  const Tensor moved = head->score(
      text, head->video(mapped(videos, [&](const Tensor& x) { return x.index_select(0, order); })));
  EXPECT_TRUE(torch::allclose(sim.index_select(1, order), moved, 1e-5, 1e-6));
}

TEST_P(EveryHead, BlocksGiveTheScoresOfTheWhole) {
  const auto text = head->text(random_texts(23));
  const auto video = head->video(random_videos(300));
  const Tensor whole = head->score(text, video);
  for (const int64_t workspace : {1, 64}) {
    EXPECT_TRUE(torch::allclose(whole, score_blocked(*head, text, video, {workspace}), 1e-5, 1e-6));
  }
}

TEST_P(EveryHead, GradientsReachEveryParameterAndInput) {
  auto texts = random_texts();
  auto videos = random_videos();
  // A head of words need not read the sentence.
  const Tensor read = head->wants().tokens ? texts.tokens : texts.pooled;
  read.requires_grad_();
  videos.frames.requires_grad_();
  head->train();
  // Not the sum of the cosines, whose gradient a tail of LayerNorms may turn to zero.
  const Tensor sim = head->score(head->text(texts), head->video(videos));
  (sim * torch::randn_like(sim)).sum().backward();
  EXPECT_GT(read.grad().abs().sum().item<float>(), 0);
  EXPECT_GT(videos.frames.grad().abs().sum().item<float>(), 0);
  for (const auto& p : head->named_parameters()) {
    ASSERT_TRUE(p.value().grad().defined()) << p.key();
    EXPECT_TRUE(p.value().grad().isfinite().all().item<bool>()) << p.key();
  }
}

TEST_P(EveryHead, WhatAPaddedFrameHoldsIsNotSeen) {
  auto videos = random_videos();
  const auto text = head->text(random_texts());
  const Tensor before = head->score(text, head->video(videos));
  videos.frames.masked_fill_(videos.mask.logical_not().unsqueeze(-1), 7.0);
  EXPECT_TRUE(torch::allclose(before, head->score(text, head->video(videos)), 1e-5, 1e-6));
}

TEST_P(EveryHead, ExplainsByWeightsOfTheFramesThereAre) {
  const auto videos = random_videos();
  const auto seen = head->explain(head->text(random_texts()), head->video(videos));
  ASSERT_EQ(seen.weights.defined(), seen.relevance.defined());
  if (!seen.weights.defined()) return;
  EXPECT_EQ(seen.weights.sizes(), (std::vector<int64_t>{kTexts, kVideos, kFrames}));
  EXPECT_TRUE(torch::allclose(seen.weights.sum(-1), torch::ones({kTexts, kVideos})));
  EXPECT_TRUE(seen.relevance.isfinite().eq(videos.mask).all().item<bool>());
  EXPECT_FALSE(seen.weights.masked_select(videos.mask.logical_not()).any().item<bool>());
}

// A tensor left behind on the CPU is an error on the meta device.
TEST_P(EveryHead, RunsWhollyOnItsDevice) {
  test::to_meta(*head);
  const test::MetaMode mode;
  auto texts = random_texts();
  auto videos = random_videos();
  const auto move = [](const Tensor& x) { return x.to(torch::kMeta); };
  const Tensor sim =
      head->score(head->text(mapped(texts, move)), head->video(mapped(videos, move)));
  EXPECT_EQ(sim.device().type(), torch::kMeta);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryHead, testing::ValuesIn(heads().names()),
                         [](const auto& parameter) { return parameter.param; });

// The joint attention as the paper's figure has it, a text and a video at a time: J = [s; f_1..f_T]
// through one attention whose text row gives the relevance.
class Naive {
 public:
  Naive(Head& head, const std::string& temporal, int64_t topk, int64_t heads)
      : topk_(topk), heads_(heads) {
    for (const auto& p : head.named_parameters()) weights_[p.key()] = p.value();
    for (const auto& b : head.named_buffers()) weights_[b.key()] = b.value();
    temporal_ = temporal;
  }

  Tensor joint(const Tensor& t, const Tensor& x) const {
    const Tensor f = placed(x);
    const Tensor j = torch::cat({norm(t, 1).unsqueeze(0), f});  // [T + 1, D]
    const Tensor logits = attention_logits(j);                  // [H, T + 1, T + 1]
    const Tensor w = weights(logits.select(1, 0).slice(1, 1).mean(0));
    const Tensor v = split(linear(j, "cross_attn.v_proj"));
    const Tensor mixed = logits.softmax(-1).matmul(v).transpose(0, 1).flatten(1);  // [T + 1, D]
    const Tensor h = j + linear(mixed, "cross_attn.out_proj");
    return tail(t, w.matmul(h.slice(0, 1)));
  }

  // What the frames are weighed with: by `joint`, and by the mean of the heads of `cross`.
  Tensor seen(const Tensor& t, const Tensor& x, bool joint) const {
    const Tensor j = torch::cat({norm(t, 1).unsqueeze(0), placed(x)});
    const Tensor logits = attention_logits(j).select(1, 0).slice(1, 1);  // [H, T]
    const Tensor w = weights(logits.mean(0));
    return joint ? w : logits.masked_fill(w.eq(0), -INFINITY).softmax(-1).mean(0);
  }

  Tensor cross(const Tensor& t, const Tensor& x) const {
    const Tensor j = torch::cat({norm(t, 1).unsqueeze(0), placed(x)});
    const Tensor logits = attention_logits(j).select(1, 0).slice(1, 1);  // [H, T]
    const Tensor dropped = weights(logits.mean(0)).eq(0);
    const Tensor a = logits.masked_fill(dropped, -INFINITY).softmax(-1);
    const Tensor v = split(linear(j.slice(0, 1), "cross_attn.v_proj"));  // [H, T, d]
    return tail(t, linear(a.unsqueeze(1).matmul(v).flatten(), "cross_attn.out_proj"));
  }

 private:
  const Tensor& weight(const std::string& name) const { return weights_.at(name); }
  Tensor linear(const Tensor& x, const std::string& name) const {
    return torch::linear(x, weight(name + ".weight"), weight(name + ".bias"));
  }
  Tensor norm(const Tensor& x, int i) const {
    const std::string name = "layer_norm" + std::to_string(i);
    return torch::layer_norm(x, {kWidth}, weight(name + ".weight"), weight(name + ".bias"));
  }
  Tensor split(const Tensor& x) const { return x.unflatten(-1, {heads_, -1}).transpose(0, 1); }

  Tensor placed(const Tensor& x) const {
    Tensor f = norm(x, 1);
    if (temporal_ == "learned") f = f + weight("temporal.positions").slice(0, 0, x.size(0));
    if (temporal_ == "sinusoidal") f = f + weight("temporal.scale") * waves(x.size(0));
    return f;
  }

  // [T, D]: sin and cos of p / 10000^(2i/D), p from 1.
  static Tensor waves(int64_t frames) {
    Tensor result = torch::empty({frames, kWidth});
    for (int64_t p = 0; p < frames; ++p) {
      for (int64_t i = 0; i < kWidth; ++i) {
        const double angle = static_cast<double>(p + 1) *
                             std::pow(10000.0, -static_cast<double>(i / 2 * 2) / kWidth);
        result[p][i] = i % 2 == 0 ? std::sin(angle) : std::cos(angle);
      }
    }
    return result;
  }

  // Rotation of x [H, n, d] by complex numbers, positions 0..n-1: another road than the head's own.
  Tensor rotated(const Tensor& x) const {
    if (temporal_ != "rotary") return x;
    const int64_t d = x.size(-1);
    Tensor result = x.clone();
    for (int64_t p = 0; p < x.size(1); ++p) {
      for (int64_t i = 0; i < d / 2; ++i) {
        const double angle =
            static_cast<double>(p) *
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(d));
        const Tensor a = x.select(1, p).select(-1, 2 * i), b = x.select(1, p).select(-1, 2 * i + 1);
        result.select(1, p).select(-1, 2 * i).copy_(a * std::cos(angle) - b * std::sin(angle));
        result.select(1, p).select(-1, 2 * i + 1).copy_(a * std::sin(angle) + b * std::cos(angle));
      }
    }
    return result;
  }

  Tensor attention_logits(const Tensor& j) const {
    const Tensor q = rotated(split(linear(j, "cross_attn.q_proj")));
    const Tensor k = rotated(split(linear(j, "cross_attn.k_proj")));
    Tensor logits = q.matmul(k.transpose(-1, -2)) / std::sqrt(static_cast<double>(kWidth / heads_));
    if (temporal_ == "relative") {
      for (int64_t a = 0; a < j.size(0); ++a) {
        for (int64_t b = 0; b < j.size(0); ++b) {
          logits.select(1, a).select(1, b).add_(
              weight("temporal.distances").select(1, b - a + kFrames));
        }
      }
    }
    return logits;
  }

  Tensor weights(const Tensor& relevance) const {
    if (topk_ == 0 || topk_ >= relevance.size(0)) return relevance.softmax(-1);
    const Tensor least = std::get<0>(relevance.topk(topk_)).min();
    return relevance.masked_fill(relevance.lt(least), -INFINITY).softmax(-1);
  }

  Tensor tail(const Tensor& t, const Tensor& pooled) const {
    const Tensor z = norm(pooled, 2);
    return torch::cosine_similarity(norm(z + linear(z, "linear_proj"), 3), t, 0);
  }

  std::map<std::string, Tensor> weights_;
  std::string temporal_;
  int64_t topk_, heads_;
};

struct Case {
  std::string head, temporal;
  int64_t topk, heads;
};

class AttentionOracle : public testing::TestWithParam<Case> {};

TEST_P(AttentionOracle, EqualsTheNaiveComputationPairByPair) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  const auto [name, temporal, topk, heads_count] = GetParam();
  const auto head = make_head({name, options_of(name, temporal, topk, heads_count)},
                              {.width = kWidth, .frames = kFrames});
  perturb(*head);
  head->eval();
  const auto texts = random_texts();
  const auto videos = random_videos();
  const Tensor sim = head->score(head->text(texts), head->video(videos));
  const Tensor explained = head->explain(head->text(texts), head->video(videos)).weights;
  const Naive naive(*head, temporal, topk, heads_count);
  for (int64_t j = 0; j < kVideos; ++j) {
    const Tensor x = videos.frames[j].slice(0, 0, videos.mask[j].sum().item<int64_t>());
    for (int64_t i = 0; i < kTexts; ++i) {
      const Tensor t = texts.pooled[i];
      const Tensor expected = name == "joint" ? naive.joint(t, x) : naive.cross(t, x);
      // Both run in fp32 over sums of 16 to 96 terms: a few units in the seventh digit.
      EXPECT_NEAR(sim[i][j].item<float>(), expected.item<float>(), 3e-6) << i << ", " << j;
      const Tensor w = explained[i][j].slice(0, 0, x.size(0));
      EXPECT_TRUE(torch::allclose(w, naive.seen(t, x, name == "joint"), 1e-5, 1e-6));
      const int64_t kept = topk == 0 ? x.size(0) : std::min(topk, x.size(0));
      EXPECT_EQ(w.count_nonzero().item<int64_t>(), kept);
    }
  }
}

std::vector<Case> oracle_cases() {
  std::vector<Case> cases;
  for (const std::string head : {"cross", "joint"}) {
    for (const auto& temporal : temporal_encodings().names()) {
      for (const int64_t topk : {0, 1, 3, 6}) {
        for (const int64_t count : {1, 4}) cases.push_back({head, temporal, topk, count});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Grid, AttentionOracle, testing::ValuesIn(oracle_cases()),
                         [](const auto& p) {
                           return fmt::format("{}_{}_k{}_h{}", p.param.head, p.param.temporal,
                                              p.param.topk, p.param.heads);
                         });

TEST(TopK, IsTheCosineWithTheMeanOfTheNearestFrames) {
  torch::manual_seed(5);
  const auto head =
      make_head({"topk", options_of("topk", "", 2, 0)}, {.width = kWidth, .frames = kFrames});
  const auto texts = random_texts();
  const auto videos = random_videos();
  const Tensor sim = head->score(head->text(texts), head->video(videos));
  const Tensor explained = head->explain(head->text(texts), head->video(videos)).weights;
  const Tensor unit = torch::nn::functional::normalize(
      videos.frames, torch::nn::functional::NormalizeFuncOptions().dim(-1));
  for (int64_t j = 0; j < kVideos; ++j) {
    const Tensor x = unit[j].slice(0, 0, videos.mask[j].sum().item<int64_t>());
    for (int64_t i = 0; i < kTexts; ++i) {
      const Tensor best = std::get<1>(x.matmul(texts.pooled[i]).topk(2));
      const Tensor pooled = x.index_select(0, best).mean(0);
      EXPECT_TRUE(torch::allclose(explained[i][j].slice(0, 0, x.size(0)),
                                  torch::zeros(x.size(0)).index_fill(0, best, 0.5)));
      EXPECT_NEAR(sim[i][j].item<float>(),
                  torch::cosine_similarity(texts.pooled[i], pooled, 0).item<float>(), 1e-5);
    }
  }
}

TEST(TopK, LargerThanTheFramesIsRefused) {
  for (const std::string name : {"topk", "cross", "joint"}) {
    try {
      make_head({name, options_of(name, "none", kFrames + 1, 1)},
                {.width = kWidth, .frames = kFrames});
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("model.head.topk: 7 is more than the 6 frames"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(Heads, AnUnknownOneIsRefusedByName) {
  EXPECT_THROW(make_head({"jiont", {}}, {.width = 4, .frames = 2}), Error);
}

}  // namespace
}  // namespace vtr::models
