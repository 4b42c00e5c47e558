// The two towers of a pair of encoders, by the names of their tensors.
#pragma once

#include "vtr/models/encoders.h"

#include <string>

namespace vtr::models {

enum class Tower { image, text };

// Whether gradients are asked for anything that the tower's features depend on.
bool trains(Encoders& encoders, Tower tower);

// SHA-256 over the names, shapes and values of all that the tower's features depend on.
std::string tower_hash(Encoders& encoders, Tower tower);

}  // namespace vtr::models
