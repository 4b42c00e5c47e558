// What an evaluation found, query by query, in memory and on disk.
//
//   const Results found = rank_both({result.sim, result.sim.t()}, result.target, options);
//   write_results("runs/a/eval/1k-A", {protocol, found, ...});
//   const StoredResults back = read_results("runs/a/eval/1k-A");
//
// A folder holds metrics.json (rows as `vtr eval --json` has them, the protocol, the checkpoint),
// ranks.safetensors (t2v_rank [N], v2t_rank [M] float64; t2v_top, v2t_top [., 10] int64, videos by
// their place, best first; t2v_top_score, v2t_top_score float32; sim [N, M] where it was asked for)
// and queries.csv, and is whole or absent.
#pragma once

#include "vtr/core/files.h"
#include "vtr/eval/bootstrap.h"
#include "vtr/eval/evaluator.h"
#include "vtr/report/run.h"

#include <optional>
#include <string>
#include <vector>

namespace vtr::eval {

// One direction.
struct Found {
  Metrics metrics;
  std::optional<Interval> interval;  // none: eval.resamples is 0
  Ranks ranks;
  Tensor top, top_score;  // [Q, 10 or all] int64 and float32: videos, the best one first
};

struct Results {
  Found t2v, v2t;
};

// What is found by scores [N texts, M videos] and [M, N]; they are each other's transpose unless a
// post-processing made them. From a video, a video stands for its best caption.
Results rank_both(const Tensor& t2v, const Tensor& v2t, const std::vector<int64_t>& target,
                  const EvalOptions& options);

// What two results must share to be compared.
struct Protocol {
  std::string dataset, split;  // "msrvtt", "1k-A"
  std::string ties, rerank;    // "average"; "none", "dsl beta=100"
  std::string queries{};       // SHA-256 of the ids, parts and captions that were evaluated
  // No part of what must be shared:
  std::string overrides = "none";  // of the run's own options: "video.sampling=random"
  std::string checkpoint{};        // "step_00001000", or ""
};
constexpr std::array<std::pair<const char*, std::string Protocol::*>, 5> kProtocol = {
    {{"dataset", &Protocol::dataset},
     {"split", &Protocol::split},
     {"ties", &Protocol::ties},
     {"rerank", &Protocol::rerank},
     {"queries", &Protocol::queries}}};

// A post-processing as it was asked for, the same for all runs, whatever they have learned:
// "dsl beta=100, transductive", "dsl beta=learned, transductive", "none".
std::string describe(const config::Choice& asked);

struct ResultsToWrite {
  const Protocol& protocol;
  const Results& results;
  const data::Manifest& readable;
  const std::vector<report::Record>& rows;
  Tensor sim{};  // written too when it is defined
};

// Throws Error for a folder that holds anything else, or that could not be made.
void check_place(const fs::path& folder);
// Replaces results that are there. Throws Error as check_place does.
void write_results(const fs::path& folder, const ResultsToWrite& what);

struct StoredResults {
  fs::path folder;
  Protocol protocol;
  std::vector<double> t2v_rank, v2t_rank;
  std::vector<std::string> texts, videos;  // captions; ids
};

// Throws Error for a folder without results, and says which command makes them.
StoredResults read_results(const fs::path& folder);

// Where a split's results lie: RUN/eval/<split>, with "+<rerank>" behind it, and what is
// `laid_over` a run's own options behind that: "1k-A@video.frames-8-5f0c2a91". So none of them
// replaces the run's plain results.
std::string results_name(const std::string& split, const std::string& rerank,
                         const std::string& laid_over = "");

}  // namespace vtr::eval
