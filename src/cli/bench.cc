#include "parts.h"

namespace vtr::cli {
namespace {

Action add(CLI::App& app) {
  return add_subcommands(
      app,
      {{"score", "naive and factored scoring side by side, on random features", add_bench_score},
       {"step", "training steps on random batches, or on those of a file", add_bench_step},
       {"encode", "frames and captions through the encoders alone", add_bench_encode},
       {"decode", "video files to the frames a model takes", add_bench_decode},
       {"loader", "frames of a split, decoded or from a store", add_bench_loader}});
}

}  // namespace

Command bench_command() { return {"bench", "measure this machine", add}; }

}  // namespace vtr::cli
