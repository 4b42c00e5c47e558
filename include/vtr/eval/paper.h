// The published rows of the paper's Tables 1 to 3, text to video: Dong, Li, Ba and Tan, 2026.
#pragma once

#include <string>
#include <vector>

namespace vtr::eval {

struct PaperRow {
  std::string system;
  double r1, r5, r10, mdr, mnr;  // NaN where the paper gives none
};

// The rows of a protocol, or none: dataset "msrvtt" with train 7k or 9k and test 1k-A, or "lsmdc".
std::vector<PaperRow> paper_rows(const std::string& dataset, const std::string& train,
                                 const std::string& test);

}  // namespace vtr::eval
