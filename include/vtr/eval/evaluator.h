// A model on a split: features of every text and video once, scores in blocks, ranks both ways.
#pragma once

#include "vtr/data/manifest.h"
#include "vtr/dist/group.h"
#include "vtr/eval/features.h"
#include "vtr/eval/metrics.h"

#include <string>
#include <vector>

namespace vtr::eval {

struct EvalOptions {
  int64_t batch = 32;
  int64_t workspace_mb = 256;
  std::string precision = "fp32";
  std::string ties = "average";
  int64_t resamples = 1000;
  int64_t seed = 1;
  config::Choice rerank{"none", {}};
  void fields(auto& f) {
    f("batch", batch, "videos encoded at once", config::at_least(1));
    f("workspace_mb", workspace_mb, "memory for scoring a block of texts x videos",
      config::at_least(1));
    f("precision", precision, "arithmetic", config::one_of({"fp32", "bf16", "fp16"}));
    f("ties", ties, "rank of the right answer among equal scores; legacy: CLIP4Clip's",
      config::one_of(ties_names()));
    f("resamples", resamples, "of the bootstrap behind the 95% intervals; 0: no intervals",
      config::at_least(0));
    f("seed", seed, "of the bootstrap and of the queries a post-processing draws",
      config::at_least(0));
    f("rerank", rerank, "post-processing of vtr eval's scores, transductive (vtr list rerankers)");
  }
};

// What the head keeps of a split.
struct SplitStates {
  models::TextState text_states;    // [N] of the readable videos' captions
  models::VideoState video_states;  // [M]
  std::vector<int64_t> target;      // [N] the column of each text's video
  data::Manifest readable;          // the videos that can be read, in the order of the columns
};

struct Evaluation : SplitStates {
  Metrics t2v, v2t;                          // ties: average
  std::vector<double> t2v_ranks, v2t_ranks;  // per query, in the manifest's order
  Tensor sim;                                // [N texts, M videos] float32, on the CPU
  int64_t videos = 0;
  int64_t skipped = 0;  // videos left out: of data.skip_list, or unreadable by data.on_error: skip
  double seconds = 0, score_seconds = 0;  // of everything, of the scores
};

// `features`: those of the manifest (its texts', or not), made by encode_split or read from a
// store; null: everything is encoded here. The ranks of `group` share the work, and each has the
// whole result but the texts' states, of which it has its share; null: this process does it alone.
// A score that is not finite throws Error naming its text and video.
Evaluation evaluate(const Encoding& encoding, const data::Manifest& manifest, int64_t workspace_mb,
                    const Features* features, dist::Group* group = nullptr);

// The states alone.
SplitStates split_states(const Encoding& encoding, const data::Manifest& manifest,
                         const Features* features, dist::Group* group = nullptr);

}  // namespace vtr::eval
