// Arithmetic of the forward pass: fp32, or half precision by autocast over fp32 master weights.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

namespace vtr::models {

// While it lives, matrix products on `device` run in `precision` ("fp32", "bf16", "fp16").
class Autocast {
 public:
  Autocast(c10::Device device, const std::string& precision);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType type_;
  bool on_;
};

}  // namespace vtr::models
