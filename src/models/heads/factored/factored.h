// The text-conditioned heads that factor; tail.h has the algebra.
#pragma once

#include "heads/attention.h"

namespace vtr::models {

std::unique_ptr<Factored> factor_cross(const AttentionParts& parts);
std::unique_ptr<Factored> factor_joint(const AttentionParts& parts);

}  // namespace vtr::models
