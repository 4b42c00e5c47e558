#include "vtr/models/precision.h"

#include <ATen/autocast_mode.h>

namespace vtr::models {

Autocast::Autocast(c10::Device device, const std::string& precision)
    : type_(device.type()), on_(precision != "fp32") {
  if (!on_) return;
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::set_autocast_dtype(type_, precision == "bf16" ? at::kBFloat16 : at::kHalf);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!on_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, false);
}

}  // namespace vtr::models
