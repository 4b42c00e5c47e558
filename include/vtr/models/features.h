// What encoders give and heads take. Letters: B batch, L tokens, T frames, P patches, D joint
// width, N texts, M videos. All features are un-normalised, as they leave the encoder's projection.
#pragma once

#include "vtr/core/tensor.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vtr::models {

struct TextFeatures {
  Tensor pooled;  // [B, D] the sentence (CLIP: at the end token)
  Tensor tokens;  // [B, L, D] every token, or undefined when no head asked for them
  Tensor mask;    // [B, L] bool, true where there is a token
};

struct VideoFeatures {
  Tensor frames;   // [B, T, D]
  Tensor patches;  // [B, T, P, D], or undefined when no head asked for them
  Tensor mask;     // [B, T] bool, true where there is a frame
  Tensor times{};  // [B, T] float, seconds into the video, or undefined when nobody measured them
};

// x on that device; from the CPU it travels beside the device's work, which waits for it where it
// must.
Tensor sent(const Tensor& x, c10::Device device);
// The same on another device.
TextFeatures to(const TextFeatures& features, c10::Device device);
VideoFeatures to(const VideoFeatures& features, c10::Device device);

// What a head keeps of a batch of texts or videos: named tensors whose first dimension is the item.
class State {
 public:
  using Items = std::vector<std::pair<std::string, Tensor>>;
  State() = default;
  State(Items items) : items_(std::move(items)) {}
  const Tensor& operator[](
      const std::string& name) const;  // aborts when there is none of that name
  bool has(const std::string& name) const;
  int64_t size() const;                           // items; 0 when empty
  State slice(int64_t begin, int64_t end) const;  // the same storage
  State to(at::ScalarType type) const;            // its floating tensors in that type
  static State cat(const std::vector<State>& parts);
  const Items& items() const { return items_; }

 private:
  Items items_;
};

// Two types, so that a text cannot be passed for a video.
struct TextState : State {
  using State::State;
  TextState(State state) : State(std::move(state)) {}
};
struct VideoState : State {
  using State::State;
  VideoState(State state) : State(std::move(state)) {}
};

}  // namespace vtr::models
