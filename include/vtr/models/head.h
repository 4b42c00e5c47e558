// A head: what it keeps of a text, what it keeps of a video, and a score of two sets of those.
// Everything the field calls a retrieval method is one; how to add one: src/README.md.
//
//   auto head = models::make_head({"joint", {}}, {.width = 512, .frames = 12});
//   Tensor sim = models::score_blocked(*head, head->text(text), head->video(video), {});  // [N, M]
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"
#include "vtr/models/encoders.h"
#include "vtr/models/features.h"

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

namespace vtr::models {

// Exact scores of a text-conditioned head without a vector of width D per pair: what depends on the
// text alone and on the video alone is computed once (`text`, `video`), and a pair costs inner
// products. Float32, on the CPU, without gradients.
class Factored {
 public:
  virtual ~Factored() = default;
  virtual TextState text(const TextState& state) const = 0;
  virtual VideoState video(const VideoState& state) const = 0;
  virtual Tensor score(const TextState& text, const VideoState& video) const = 0;  // [N, M]
  struct Bytes {
    int64_t text, video, pair;
  };
  virtual Bytes bytes() const = 0;  // of the states above, an item, and of the work for a pair
};

// How a head looked at the frames of each pair, for people. Undefined: it weighs no frames by text.
struct Explanation {
  Tensor relevance;  // [N, M, T] float, before K are chosen; -inf where there is no frame
  Tensor weights;    // [N, M, T] float, what the frames are pooled with: their sum is 1, and one
                     // that is not kept has 0. Of several attention heads: the mean.
};

class Head : public torch::nn::Module {
 public:
  // What it needs beyond pooled texts and frames.
  virtual Wanted wants() const { return {}; }
  // Once per text. pooled [N, D] -> state of N items.
  virtual TextState text(const TextFeatures& features) = 0;
  // Once per video; this is what an index stores. frames [M, T, D] -> state of M items.
  virtual VideoState video(const VideoFeatures& features) = 0;
  // sim [N texts, M videos], before the temperature; with gradients.
  virtual Tensor score(const TextState& text, const VideoState& video) = 0;
  // What `score` weighs the frames with, in evaluation.
  virtual Explanation explain(const TextState&, const VideoState&) { return {}; }
  // Bytes `score` needs at its peak for one (text, video) pair, for those who cut it into blocks.
  virtual int64_t pair_bytes() const = 0;
  // The weights of now, factored; null for a head that does not factor (its pairs meet in a
  // nonlinearity before they are pooled), which is scored in blocks.
  virtual std::unique_ptr<Factored> factored() { return nullptr; }
  // `score` as the paper writes it down, everything after the projections done per pair; here only
  // to be compared with. `naive_bytes` is its `pair_bytes`.
  virtual Tensor naive(const TextState& text, const VideoState& video) {
    return score(text, video);
  }
  virtual int64_t naive_bytes() const { return pair_bytes(); }
  // Added to the training loss; undefined when there is nothing to add.
  virtual Tensor penalty(const TextState&, const VideoState&) { return {}; }
  // The start of weights that the authors take from pretrained encoders.
  virtual void start_from(Encoders&) {}
  // Our name of what the authors' checkpoints call `name`; "" for what they save and never use.
  virtual std::string name_here(const std::string& name) const { return name; }
};

// What a head must know of the encoders and the data.
struct HeadContext {
  int64_t width = 0;   // D
  int64_t frames = 0;  // T, the most frames a video has
  int64_t words = 32;  // L, the most tokens a text has
};

struct HeadEntry {
  std::string name, summary;
  config::Schema schema;
  std::function<std::shared_ptr<Head>(const config::Node& options, const HeadContext&)> make;
};

template <class H, class Options>
HeadEntry head_entry(std::string name, std::string summary) {
  return {std::move(name), std::move(summary), config::schema<Options>(),
          [](const config::Node& node, const HeadContext& context) -> std::shared_ptr<Head> {
            return std::make_shared<H>(config::read<Options>(node, "model.head"), context);
          }};
}

const Table<HeadEntry>& heads();
std::shared_ptr<Head> make_head(const config::Choice& choice, const HeadContext& context);

// The scores of all pairs, in blocks of texts x videos whose workspace stays under `workspace_mb`
// (the result, [N, M] float32, comes on top); without gradients. `automatic` takes the factored
// form where the head has one, the states are on the CPU and there are texts enough to pay for it.
// States of half precision are widened block by block.
enum class Scoring { automatic, direct, factored, naive };
struct ScoreOptions {
  int64_t workspace_mb = 256;
  Scoring scoring = Scoring::automatic;
};
Tensor score_blocked(Head& head, const TextState& text, const VideoState& video,
                     const ScoreOptions& options);

}  // namespace vtr::models
