#include "precision.h"

#include "vtr/models/matmul.h"

#include <ATen/autocast_mode.h>

namespace vtr::models {
namespace {

// A device without an autocast (meta) has the CPU's, which leaves tensors elsewhere alone.
c10::DeviceType type_of(c10::Device device) {
  return at::autocast::is_autocast_available(device.type()) ? device.type() : c10::kCPU;
}

}  // namespace

std::string current_precision(c10::Device device) {
  const c10::DeviceType type = type_of(device);
  if (!at::autocast::is_autocast_enabled(type)) return "fp32";
  return at::autocast::get_autocast_dtype(type) == at::kBFloat16 ? "bf16" : "fp16";
}

Autocast::Autocast(c10::Device device, const std::string& precision)
    : type_(type_of(device)),
      was_on_(at::autocast::is_autocast_enabled(type_)),
      was_type_(at::autocast::get_autocast_dtype(type_)) {
  at::autocast::set_autocast_enabled(type_, precision != "fp32");
  if (precision != "fp32") at::autocast::set_autocast_dtype(type_, scalar_type_of(precision));
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, was_on_);
  at::autocast::set_autocast_dtype(type_, was_type_);
}

}  // namespace vtr::models
