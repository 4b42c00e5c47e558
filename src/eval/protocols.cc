#include "vtr/eval/protocols.h"

#include <map>

namespace vtr::eval {

const Table<ProtocolEntry>& protocols() {
  static const Table<ProtocolEntry> table(
      "protocol",
      {{"msrvtt-9k", "9,000 videos, tested on 1k-A: the paper's Table 2", "msrvtt", "9k", "1k-A"},
       {"msrvtt-7k", "7,010 videos, tested on 1k-A: the paper's Table 1", "msrvtt", "7k", "1k-A"},
       {"msrvtt-full", "its own parts, every caption of 2,990 videos a query", "msrvtt", "full",
        "full"},
       {"lsmdc", "tested on 1,000 segments: the paper's Table 3", "lsmdc", "train", "test"}});
  return table;
}

std::string paper_system(const std::string& head, const std::string& encoder) {
  static const std::map<std::string, std::string> by_encoder = {
      {"stan", "STAN"}, {"dgl", "DGL"}, {"centerclip", ""}};
  // The paper does not say which of CLIP4Clip's four its row is.
  static const std::map<std::string, std::string> by_head = {{"joint", "the paper"},
                                                             {"xpool", "X-Pool"},
                                                             {"xclip", "X-CLIP"},
                                                             {"ts2", "TS2-Net"},
                                                             {"mmt", "MMT"},
                                                             {"mean_pool", "CLIP4Clip"},
                                                             {"seq_lstm", "CLIP4Clip"},
                                                             {"seq_transf", "CLIP4Clip"},
                                                             {"tight_transf", "CLIP4Clip"}};
  if (const auto found = by_encoder.find(encoder); found != by_encoder.end()) return found->second;
  const auto found = by_head.find(head);
  return found == by_head.end() ? "" : found->second;
}

}  // namespace vtr::eval
