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
  void fields(auto& f) {
    f("batch", batch, "videos encoded at once", config::at_least(1));
    f("workspace_mb", workspace_mb, "memory for scoring a block of texts x videos",
      config::at_least(1));
    f("precision", precision, "arithmetic", config::one_of({"fp32", "bf16", "fp16"}));
  }
};

struct Evaluation {
  Metrics t2v, v2t;
  std::vector<double> t2v_ranks, v2t_ranks;  // per query, in the manifest's order
  Tensor sim;                                // [N texts, M videos] float32, on the CPU
  std::vector<int64_t> target;               // [N] the column of each text's video
  data::Manifest readable;  // the videos that were evaluated, in the order of the columns
  int64_t videos = 0;
  int64_t skipped = 0;  // videos left out: of data.skip_list, or unreadable by data.on_error: skip
  double seconds = 0;
};

// `features`: those of the manifest (its texts', or not), made by encode_split or read from a
// store; null: everything is encoded here. The ranks of `group` share the work, and each has the
// whole result; null: this process does it alone.
Evaluation evaluate(const Encoding& encoding, const data::Manifest& manifest, int64_t workspace_mb,
                    const Features* features, dist::Group* group = nullptr);

}  // namespace vtr::eval
