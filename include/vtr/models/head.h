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
  // Bytes `score` needs at its peak for one (text, video) pair, for those who cut it into blocks.
  virtual int64_t pair_bytes() const = 0;
  // `score` as the paper writes it down, everything after the projections done per pair; here only
  // to be compared with.
  virtual Tensor naive(const TextState& text, const VideoState& video) {
    return score(text, video);
  }
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

// `score` in blocks of texts x videos whose workspace stays under `workspace_mb`; the result is the
// same as `score` of all. Runs without gradients.
struct ScoreOptions {
  int64_t workspace_mb = 256;
};
Tensor score_blocked(Head& head, const TextState& text, const VideoState& video,
                     const ScoreOptions& options);

}  // namespace vtr::models
