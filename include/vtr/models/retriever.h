// The whole model: encoders and head under one root, "clip." and "head." in checkpoints.
//
//   auto model = models::make_retriever(options, frames, words, norm, true);
//   const Wanted wanted = model->head().wants();
//   TextState t = model->head().text(model->encode_text(ids, mask, "fp32", wanted));
#pragma once

#include "vtr/models/encoders.h"
#include "vtr/models/head.h"

#include <array>

namespace vtr::models {

struct ModelOptions {
  std::string weights;
  config::Choice encoder{"clip", {}};
  config::Choice head{"joint", {}};
  void fields(auto& f) {
    f("weights", weights,
      "CLIP weights: a TorchScript archive, a Hugging Face folder or safetensors; empty: from "
      "scratch");
    f("encoder", encoder, "encoders and their options (vtr list encoders)");
    f("head", head, "retrieval head and its options (vtr list heads)");
  }
};

// Checks the choices and fills in their defaults; with `read_weights` the encoders' sizes come from
// the weights, if there are any. Without, sizes that weights will tell are left as they stand.
ModelOptions resolve(ModelOptions options, bool read_weights);

// What the data's pixels [0, 1] become: (x - mean) / std per channel.
struct PixelNorm {
  std::array<float, 3> mean{}, std{};
};

class Retriever : public torch::nn::Module {
 public:
  Retriever(std::shared_ptr<Encoders> encoders, std::shared_ptr<Head> head, const PixelNorm& norm);

  // The encoders in `precision`, their features and so the head in fp32: half a digit lost in a
  // cosine is a tie.
  // ids [B, L] int64, mask [B, L] bool.
  TextFeatures encode_text(const Tensor& ids, const Tensor& mask, const std::string& precision,
                           const Wanted& wanted);
  // pixels [B, T, 3, R, R] uint8, mask [B, T] bool, times [B, T] float seconds or undefined
  // (features of encoders that pool frames over time carry none).
  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask, const Tensor& times,
                             const std::string& precision, const Wanted& wanted);
  Encoders& encoders() { return *encoders_; }
  Head& head() { return *head_; }
  c10::Device device();

 private:
  std::shared_ptr<Encoders> encoders_;
  std::shared_ptr<Head> head_;
  Tensor scale_, shift_;  // [3, 1, 1], of the bytes 0..255
};

// `options` resolved. With `load_weights` false the encoders start at random, for a checkpoint to
// fill. frames: the most a video has; words: the most tokens a text has. Throws Error when the head
// needs features that the encoders do not give.
std::shared_ptr<Retriever> make_retriever(const ModelOptions& options, int64_t frames,
                                          int64_t words, const PixelNorm& norm, bool load_weights);

}  // namespace vtr::models
