#include "vtr/models/retriever.h"

#include "precision.h"

#include <torch/types.h>

namespace vtr::models {

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

VideoFeatures Retriever::encode_video(const Tensor& pixels, const Tensor& mask, const Tensor& times,
                                      const std::string& precision, const Wanted& wanted) {
  const c10::Device place = device();  // bytes travel; floats are made where they are used
  scale_ = sent(scale_, place);
  shift_ = sent(shift_, place);
  const Tensor x = sent(pixels, place).to(torch::kFloat).mul_(scale_).add_(shift_);
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
