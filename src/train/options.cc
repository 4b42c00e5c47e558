#include "vtr/train/options.h"

#include "vtr/core/error.h"

namespace vtr::train {

void TrainOptions::check(const std::string& path) const {
  VTR_CHECK(batch > 1, "{}.batch: a pair alone has no negatives: 2 or more", path);
  VTR_CHECK(micro_batch <= batch, "{0}.micro_batch: {1} is more than the {2} pairs of {0}.batch",
            path, micro_batch, batch);
  VTR_CHECK(micro_batch == 0 || batch % micro_batch == 0,
            "{0}.micro_batch: {1} does not divide the {2} pairs of {0}.batch", path, micro_batch,
            batch);
  VTR_CHECK(logit_scale_min <= logit_scale_max,
            "{0}.logit_scale_min: {1} is above the {2} of {0}.logit_scale_max", path,
            logit_scale_min, logit_scale_max);
}

}  // namespace vtr::train
