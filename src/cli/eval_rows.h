// What `vtr eval` prints and writes of its evaluations.
#pragma once

#include "subject.h"

#include "vtr/eval/cost.h"
#include "vtr/eval/paper.h"
#include "vtr/eval/results.h"

namespace vtr::cli {

// The columns that the paper has, and tables show.
struct Column {
  const char* name;
  double eval::Metrics::*ours;
  double eval::PaperRow::*theirs;
};
constexpr Column kColumns[] = {{"R@1", &eval::Metrics::r1, &eval::PaperRow::r1},
                               {"R@5", &eval::Metrics::r5, &eval::PaperRow::r5},
                               {"R@10", &eval::Metrics::r10, &eval::PaperRow::r10},
                               {"MdR", &eval::Metrics::mdr, &eval::PaperRow::mdr},
                               {"MnR", &eval::Metrics::mnr, &eval::PaperRow::mnr}};

// A model on a split, by one post-processing.
struct Row {
  const Subject& subject;
  std::string split;      // data.test
  std::string table;      // published_table
  config::Choice rerank;  // with the temperature that was used
  int64_t videos = 0, skipped = 0;
  double seconds = 0;
  eval::Results results;
  report::Record cost{};
};

// The published table that figures on `tested` belong into, by its name; "" where its queries are
// not the published ones. `own` is what was trained on, whatever the command line says now.
std::string published_table(const data::DataOptions& own, const data::DataOptions& now,
                            const data::Manifest& tested);

// "none", or the post-processing as it was asked for.
std::string rerank_of(const Row& row);

// With --cost. `trained`: values that train.
report::Record cost_record(const eval::Cost& cost, int64_t trained, double pairs_per_second,
                           int64_t peak_bytes);

// Rows a script can rely on, a direction each: who, on what, which way, the figures and intervals,
// and the paper's figures of the same system.
std::vector<report::Record> records(const Row& row);

// For people: figures with their intervals under them, and the rows of every published table that
// one belongs into; then the costs, where there are some.
struct Tables {
  std::string text, latex;
};
Tables tables(const std::vector<Row>& rows);

}  // namespace vtr::cli
