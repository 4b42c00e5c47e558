// The losses of the table.
#pragma once

#include "vtr/losses/losses.h"

namespace vtr::losses {

LossEntry symmetric_ce_loss();

}  // namespace vtr::losses
