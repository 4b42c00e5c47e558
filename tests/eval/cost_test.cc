#include "vtr/eval/cost.h"

#include "flops.h"
#include "support/fake_tokenizer.h"
#include "support/tiny_retriever.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/conv.h>
#include <torch/nn/modules/rnn.h>
#include <torch/types.h>

namespace vtr::eval {
namespace {

template <class Call>
int64_t counted(Call call) {
  const torch::NoGradGuard no_grad;
  const FlopCounter counter;
  call();
  return counter.count();
}

TEST(Flops, OfMatrixProducts) {
  const Tensor a = torch::rand({3, 4, 5}), b = torch::rand({5, 7}), v = torch::rand({5});
  EXPECT_EQ(counted([&] { a.matmul(b); }), 2 * 12 * 5 * 7);
  EXPECT_EQ(counted([&] { torch::linear(a, b.t(), torch::rand({7})); }), 2 * 12 * 5 * 7);
  EXPECT_EQ(counted([&] { a.bmm(torch::rand({3, 5, 2})); }), 2 * 12 * 5 * 2);
  EXPECT_EQ(counted([&] { torch::einsum("btd,dk->btk", {a, b}); }), 2 * 12 * 5 * 7);
  EXPECT_EQ(counted([&] { a[0].mv(v); }), 2 * 4 * 5);
  EXPECT_EQ(counted([&] { v.dot(v); }), 2 * 5);
  EXPECT_EQ(counted([&] { (a + a).softmax(-1); }), 0) << "what is done a value is not counted";
}

TEST(Flops, OfConvolutions) {
  const Tensor x = torch::rand({2, 6, 9, 8});
  const auto strided = torch::nn::functional::Conv2dFuncOptions().stride(2).padding(1).groups(2);
  // 5 x 4 places, each 10 values of 3 x 3 x 3 weights.
  EXPECT_EQ(counted([&] {
              torch::nn::functional::conv2d(x, torch::rand({10, 3, 3, 3}), strided);
            }),
            2 * 2 * 20 * 10 * 27);
  EXPECT_EQ(counted([&] { torch::conv1d(x[0], torch::rand({4, 9, 3})); }), 2 * 6 * 6 * 4 * 27);
}

TEST(Flops, OfAttentionWhateverKernelTakesIt) {
  const Tensor q = torch::rand({2, 3, 5, 8}), k = torch::rand({2, 3, 7, 8});
  const int64_t by_hand = 2 * (2 * 3 * 5 * 7 * 8) * 2;
  EXPECT_EQ(counted([&] { at::scaled_dot_product_attention(q, k, k); }), by_hand);
  const Tensor mask = torch::ones({5, 7}, torch::kBool);
  EXPECT_EQ(counted([&] { at::scaled_dot_product_attention(q, k, k, mask); }), by_hand);
  EXPECT_EQ(counted([&] { q.matmul(k.transpose(2, 3)).matmul(k); }), by_hand);
}

TEST(Flops, OfAnLstm) {
  torch::nn::LSTM lstm(torch::nn::LSTMOptions(6, 4).batch_first(true));
  EXPECT_EQ(counted([&] {
              lstm->forward(torch::rand({3, 5, 6}));
            }),
            2 * 3 * 5 * (4 * 4 * 6 + 4 * 4 * 4));
}

TEST(Flops, AreCountedWhileTheCounterLives) {
  const Tensor a = torch::rand({4, 4});
  EXPECT_EQ(counted([] {}), 0);
  a.mm(a);
  EXPECT_EQ(counted([&] { a.mm(a); }), 2 * 64);
}

// A CLIP whose every product is written down: two blocks a tower, the towers' widths and the joint
// space's, patches of 8 x 8 in 32 x 32.
TEST(Cost, OfAClipIsItsLayersByHand) {
  const auto model = test::tiny_retriever({"mean_pool", {}}, test::tiny_clip_options());
  const test::FakeTokenizer tokenizer;
  data::LoaderSettings loader;
  loader.video.frames = test::kTinyFrames;
  loader.max_words = test::kTinyWords;
  loader.resolution = 32;
  const Encoding encoding{.model = *model,
                          .tokenizer = tokenizer,
                          .loader = loader,
                          .encoder_choice = {},
                          .tokenizer_choice = {},
                          .batch = 2};
  const Cost cost = measure_cost(encoding);
  int64_t parameters = 0;
  for (const auto& p : model->parameters()) parameters += p.numel();
  EXPECT_EQ(cost.parameters, parameters);
  // Of L tokens of width W: q, k, v and out; logits and sums; the four times wider layers.
  const auto block = [](int64_t l, int64_t w) {
    return l * w * w * 4 + 2 * l * l * w + 8 * l * w * w;
  };
  const int64_t words = test::kTinyWords, frames = test::kTinyFrames, patches = 16;
  // Of a text its end is projected, of a frame its first token.
  EXPECT_EQ(cost.text_flops, 2 * (2 * block(words, 32) + 32 * 24));
  // In the last block the patches are keys and values, and the first token alone goes on.
  const int64_t last = 2 * (patches + 1) * 48 * 48 + 2 * (patches + 1) * 48 + 10 * 48 * 48;
  const int64_t frame = patches * 3 * 64 * 48 + block(patches + 1, 48) + last + 48 * 24;
  EXPECT_EQ(cost.video_flops, 2 * frames * frame);
  EXPECT_GT(cost.videos_per_second, 0);
  EXPECT_GT(cost.texts_per_second, 0);
  EXPECT_TRUE(model->is_training()) << "as it was";
}

}  // namespace
}  // namespace vtr::eval
