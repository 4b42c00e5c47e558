// A model on a split: encode every text and video once, score in blocks, rank both ways.
#pragma once

#include "vtr/data/loader.h"
#include "vtr/eval/metrics.h"
#include "vtr/models/retriever.h"

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
  int64_t videos = 0;
  int64_t skipped = 0;  // videos left out: of data.skip_list, or unreadable by data.on_error: skip
  double seconds = 0;
};

Evaluation evaluate(models::Retriever& model, const data::Manifest& manifest,
                    const text::Tokenizer& tokenizer, const data::LoaderSettings& settings,
                    const EvalOptions& options);

}  // namespace vtr::eval
