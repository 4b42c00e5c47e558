// A pair of encoders: captions and frames into one space of width D.
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"
#include "vtr/models/features.h"

#include <torch/nn/module.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace vtr::models {

// Which of the optional features the caller will use, or an encoder can give.
struct Wanted {
  bool tokens = false;
  bool patches = false;
  bool padding = false;  // texts padded to text.max_words: the head's weights count words
};

// What the data side must know of an encoder pair.
struct EncoderInfo {
  int64_t width = 0;       // D, of the joint space
  int64_t resolution = 0;  // frames are [3, resolution, resolution]
  int64_t context = 0;     // most tokens of a text
  int64_t vocab = 0;       // ids are in [0, vocab); 0 when unknown
  Wanted gives{};          // tokens, patches
};

// A video and a text of it.
struct ItemSize {
  int64_t frames = 0, words = 0;
};

class Encoders : public torch::nn::Module {
 public:
  virtual EncoderInfo info() const = 0;
  // The frames it gives for a video of so many: T, unless the encoder pools them over time.
  virtual int64_t frames_given(int64_t frames) const { return frames; }
  // ids [B, L] int64, mask [B, L] bool (true where there is a token; the last true one is the end
  // token).
  virtual TextFeatures encode_text(const Tensor& ids, const Tensor& mask, const Wanted& wanted) = 0;
  // pixels [B, T, 3, R, R] float, normalised; mask [B, T] bool.
  virtual VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                                     const Wanted& wanted) = 0;
  virtual Tensor logit_scale() = 0;  // scalar, log of the inverse temperature; a parameter
  // From now on every block keeps only its input for the way back and runs again there: a fraction
  // of the memory for a third more work. False: there are no blocks that could.
  virtual bool recompute_blocks() { return false; }
  // About how many bytes the way back keeps of one video and one text; 0: unknown. `half`: under
  // autocast.
  virtual int64_t kept_bytes(const ItemSize&, bool /*half*/) { return 0; }
};

struct EncoderEntry {
  std::string name, summary;
  config::Schema schema;
  // The choice's options with the sizes found in `weights` filled in, so that the resolved
  // configuration rebuilds the encoders without the file. `weights` may be "".
  std::function<config::Node(const config::Node& options, const std::string& weights)> infer;
  // Built with random weights (torch's default generator), or with those of the file.
  std::function<std::shared_ptr<Encoders>(const config::Node& options, const std::string& weights)>
      make;
};

const Table<EncoderEntry>& encoders();

}  // namespace vtr::models
