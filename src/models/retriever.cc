#include "vtr/models/retriever.h"

#include "precision.h"

#include <torch/torch.h>

#include <algorithm>

namespace vtr::models {
namespace {

constexpr int64_t kLikeTexts = 64;  // encoded together: enough rows for the products' full rate

// To the device beside its work, where the memory is pinned.
Tensor sent(const Tensor& x, c10::Device place) { return x.to(place, /*non_blocking=*/true); }

}  // namespace

ModelOptions resolve(ModelOptions options, bool read_weights) {
  const auto& encoder = encoders().find(options.encoder.name);
  const config::Node complete = encoder.schema.resolve(options.encoder.options, "model.encoder");
  if (options.weights.empty()) {
    options.encoder.options = complete;
  } else if (read_weights) {
    options.encoder.options = encoder.schema.resolve(
        encoder.infer(options.encoder.options, options.weights), "model.encoder");
  }
  options.head.options =
      heads().find(options.head.name).schema.resolve(options.head.options, "model.head");
  return options;
}

Retriever::Retriever(std::shared_ptr<Encoders> encoders, std::shared_ptr<Head> head,
                     const PixelNorm& norm)
    : encoders_(register_module("clip", std::move(encoders))),
      head_(register_module("head", std::move(head))),
      scale_(1 / (255 * torch::tensor(at::ArrayRef<float>(norm.std)).view({3, 1, 1}))),
      shift_(-255 * scale_ * torch::tensor(at::ArrayRef<float>(norm.mean)).view({3, 1, 1})) {}

TextFeatures Retriever::encode_text(const Tensor& ids, const Tensor& mask,
                                    const std::string& precision, const Wanted& wanted) {
  const c10::Device place = device();
  const Autocast autocast(place, precision);
  TextFeatures features = encoders_->encode_text(sent(ids, place), sent(mask, place), wanted);
  features.pooled = features.pooled.to(torch::kFloat);
  if (features.tokens.defined()) features.tokens = features.tokens.to(torch::kFloat);
  return features;
}

TextFeatures Retriever::encode_texts(const Tensor& ids, const Tensor& mask,
                                     const std::string& precision, const Wanted& wanted) {
  const torch::NoGradGuard no_grad;
  const c10::Device place = device();
  const Autocast autocast(place, precision);  // the weights are cast once
  const int64_t count = ids.size(0), length = ids.size(1);
  const auto [lengths, order] = mask.sum(1).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  TextFeatures all{{}, {}, sent(mask, place)};
  for (int64_t i = 0; i < count; i += kLikeTexts) {
    const int64_t end = std::min(count, i + kLikeTexts);
    const int64_t longest = wanted.padding ? length : lengths[end - 1].item<int64_t>();
    const Tensor rows = order.slice(0, i, end), placed = rows.to(place);
    const auto some = [&](const Tensor& x) {
      return x.index_select(0, rows).narrow(1, 0, longest);
    };
    const auto part = encode_text(some(ids), some(mask), precision, wanted);
    if (i == 0) all.pooled = at::empty({count, part.pooled.size(1)}, part.pooled.options());
    all.pooled.index_copy_(0, placed, part.pooled);
    if (!part.tokens.defined()) continue;
    if (i == 0) all.tokens = at::zeros({count, length, part.tokens.size(2)}, part.tokens.options());
    all.tokens.narrow(1, 0, longest).index_copy_(0, placed, part.tokens);
  }
  return all;
}

VideoFeatures Retriever::encode_video(const Tensor& pixels, const Tensor& mask, const Tensor& times,
                                      const std::string& precision, const Wanted& wanted) {
  const c10::Device place = device();  // bytes travel; floats are made where they are used
  const Tensor x =
      sent(pixels, place).to(torch::kFloat).mul_(scale_.to(place)).add_(shift_.to(place));
  const Autocast autocast(place, precision);
  VideoFeatures features = encoders_->encode_video(x, sent(mask, place), wanted);
  features.frames = features.frames.to(torch::kFloat);
  if (features.patches.defined()) features.patches = features.patches.to(torch::kFloat);
  if (times.defined() && features.frames.size(1) == times.size(1))
    features.times = sent(times, place);
  return features;
}

c10::Device Retriever::device() { return encoders_->logit_scale().device(); }

std::shared_ptr<Retriever> make_retriever(const ModelOptions& options, int64_t frames,
                                          int64_t words, const PixelNorm& norm, bool load_weights) {
  auto pair = encoders()
                  .find(options.encoder.name)
                  .make(options.encoder.options, load_weights ? options.weights : "");
  const auto info = pair->info();
  auto head = make_head(
      options.head, {.width = info.width, .frames = pair->frames_given(frames), .words = words});
  const Wanted wants = head->wants();
  VTR_CHECK((!wants.tokens || info.gives.tokens) && (!wants.patches || info.gives.patches),
            "model.head: {} needs the features of every {}, which the encoders '{}' do not give",
            options.head.name, wants.tokens && !info.gives.tokens ? "token" : "patch",
            options.encoder.name);
  if (load_weights) head->start_from(*pair);
  return std::make_shared<Retriever>(std::move(pair), std::move(head), norm);
}

}  // namespace vtr::models
