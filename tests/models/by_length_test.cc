#include "vtr/models/by_length.h"

#include "support/tensor_near.h"
#include "support/tiny_retriever.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

using test::tensor_near;

// More texts than go together, of 2 to 9 words and in no order.
data::TextBatch texts() {
  torch::manual_seed(4);
  constexpr int64_t kTexts = 150;
  const Tensor ends = torch::randint(1, test::kTinyWords, {kTexts, 1});
  const Tensor mask = torch::arange(test::kTinyWords).le(ends);
  return {torch::randint(2, 98, mask.sizes(), torch::kLong).scatter(1, ends, 99) * mask, mask};
}

// 1e-5: the same sums in blocks of other sizes.
TEST(ByLength, TextsHaveTheSameFeatures) {
  const auto model = test::tiny_retriever({"wti", {}}, test::tiny_clip_options());
  const torch::NoGradGuard no_grad;
  const auto batch = texts();
  for (const bool padding : {false, true}) {
    SCOPED_TRACE(padding);
    const Wanted wanted{.tokens = true, .padding = padding};
    const auto all = model->encode_text(batch.ids, batch.mask, "fp32", wanted);
    const auto got = encode_by_length(*model, batch.ids, batch.mask, "fp32", wanted);
    EXPECT_TRUE(tensor_near(got.pooled, all.pooled, 1e-5));
    EXPECT_TRUE(got.mask.equal(all.mask));
    const Tensor there = batch.mask.unsqueeze(2);
    EXPECT_TRUE(tensor_near(got.tokens, padding ? all.tokens : all.tokens * there, 1e-5));
  }
  const auto alone = encode_by_length(*model, batch.ids, batch.mask, "fp32", {});
  EXPECT_FALSE(alone.tokens.defined());
  EXPECT_FALSE(alone.pooled.requires_grad());
}

}  // namespace
}  // namespace vtr::models
