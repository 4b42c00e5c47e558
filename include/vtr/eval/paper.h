// The published rows of the paper's tables, text to video: Dong, Li, Ba and Tan, 2026.
#pragma once

#include "vtr/core/table.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vtr::eval {

inline constexpr int64_t kPaperQueries = 1000;  // of the test split of every table

struct PaperRow {
  std::string system;
  double r1, r5, r10, mdr, mnr;  // NaN where the paper gives none
};

// The table of a protocol, or "": dataset "msrvtt" with train 7k (table1) or 9k (table2) and test
// 1k-A, or "lsmdc" with its train and test (table3).
std::string paper_table(const std::string& dataset, const std::string& train,
                        const std::string& test);

struct PaperTable {
  std::string name, dataset, title;  // "table4", "msrvtt", "MSR-VTT 7k"
  std::vector<PaperRow> rows;
};

// table1 to table5. The rows of table4 are called by their K; those of table5 by the name our
// options have for the paper's baseline, without and with positions: mean_pool, none, learned.
const Table<PaperTable>& paper_tables();

}  // namespace vtr::eval
