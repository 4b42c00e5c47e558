// Rules of update over lists of parameters, by ATen's fused kernels.
//
//   Update update = make_update({"adamw", {}});
//   update(moments, {.rate = 1e-4, .decay = 0.2});
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"
#include "vtr/core/tensor.h"

#include <functional>
#include <string>
#include <vector>

namespace vtr::train {

// Side by side, an entry a parameter; the moments have its shape, `steps` are float32 scalars:
// updates done, this one counted.
struct Moments {
  std::vector<Tensor> parameters, gradients, mean, square, steps;
};

struct Pace {
  double rate = 0, decay = 0;
  // Float32 scalars on the parameters' device: the gradients are divided by `scale`, and where
  // `skip` is 1 nothing is changed. Undefined: 1 and 0.
  Tensor scale{}, skip{};
};

using Update = std::function<void(const Moments&, const Pace&)>;

struct OptimizerEntry {
  std::string name, summary;
  config::Schema schema;
  std::function<Update(const config::Node& options)> make;
};

const Table<OptimizerEntry>& optimizers();
Update make_update(const config::Choice& choice);

}  // namespace vtr::train
