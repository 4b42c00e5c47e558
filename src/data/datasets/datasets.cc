#include "datasets/annotations.h"

namespace vtr::data {

const Table<DatasetEntry>& datasets() {
  static const Table<DatasetEntry> table(
      "dataset", {msrvtt_dataset(), lsmdc_dataset(), msvd_dataset(), didemo_dataset(),
                  activitynet_dataset(), vatex_dataset(), jsonl_dataset(), shapes_dataset()});
  return table;
}

}  // namespace vtr::data
