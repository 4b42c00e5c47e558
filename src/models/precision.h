// Arithmetic of the forward pass: fp32, or half precision by autocast over fp32 master weights.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

namespace vtr::models {

// Of the autocast that is on for `device` now: "fp32" where none is.
std::string current_precision(c10::Device device);

// While it lives, matrix products on `device` run in `precision` ("fp32", "bf16", "fp16"); nested
// ones give the outer one back.
class Autocast {
 public:
  Autocast(c10::Device device, const std::string& precision);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType type_;
  bool was_on_;
  c10::ScalarType was_type_;
};

}  // namespace vtr::models
