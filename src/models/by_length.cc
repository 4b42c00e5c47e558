#include "vtr/models/by_length.h"

#include "precision.h"

#include <torch/types.h>

namespace vtr::models {
namespace {

// Texts encoded together: enough rows for the products' full rate, and none padded by over a half.
constexpr int64_t kTogether = 64;

// Where the texts that begin at `begin` end, of ascending lengths.
int64_t end_of_like(const int64_t* lengths, int64_t begin, int64_t count) {
  int64_t end = begin;
  while (end < std::min(count, begin + kTogether) && 2 * lengths[end] <= 3 * lengths[begin]) ++end;
  return end;
}

}  // namespace

TextFeatures encode_by_length(Retriever& model, const Tensor& ids, const Tensor& mask,
                              const std::string& precision, const Wanted& wanted) {
  const torch::NoGradGuard no_grad;
  const c10::Device place = model.device();
  const Autocast autocast(place, precision);  // the weights are cast once
  const int64_t count = ids.size(0), width = ids.size(1);
  const auto [lengths, order] = mask.sum(1).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  TextFeatures all{{}, {}, mask.to(place)};
  for (int64_t begin = 0, end = 0; begin < count; begin = end) {
    end = end_of_like(lengths.const_data_ptr<int64_t>(), begin, count);
    const int64_t longest = wanted.padding ? width : lengths[end - 1].item<int64_t>();
    const Tensor rows = order.slice(0, begin, end), placed = rows.to(place);
    const auto some = [&](const Tensor& x) {
      return x.index_select(0, rows).narrow(1, 0, longest);
    };
    const auto part = model.encode_text(some(ids), some(mask), precision, wanted);
    const auto like = [&](const Tensor& x, std::vector<int64_t> shape) {
      return at::zeros(shape, x.options());
    };
    if (begin == 0) all.pooled = like(part.pooled, {count, part.pooled.size(1)});
    all.pooled.index_copy_(0, placed, part.pooled);
    if (!part.tokens.defined()) continue;
    if (begin == 0) all.tokens = like(part.tokens, {count, width, part.tokens.size(2)});
    all.tokens.narrow(1, 0, longest).index_copy_(0, placed, part.tokens);
  }
  return all;
}

}  // namespace vtr::models
