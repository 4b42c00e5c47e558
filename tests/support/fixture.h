// What a script of scripts/ computed, by name.
#pragma once

#include "vtr/models/weights/safetensors.h"

#include <map>
#include <string>

namespace vtr::test {

using Fixture = std::map<std::string, at::Tensor>;

// tests/fixtures/<name>.safetensors
inline Fixture load_fixture(const std::string& name) {
  const auto tensors = models::load_safetensors(VTR_FIXTURES "/" + name + ".safetensors");
  return {tensors.begin(), tensors.end()};
}

}  // namespace vtr::test
