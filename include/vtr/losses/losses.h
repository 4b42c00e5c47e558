// Losses over the in-batch similarity matrix.
//
//   Loss loss = losses::make_loss({"symmetric_ce", {}});
//   Tensor value = loss({sim, logit_scale, duplicates});   // a scalar
#pragma once

#include "vtr/config/options.h"
#include "vtr/core/table.h"
#include "vtr/core/tensor.h"

#include <functional>
#include <string>

namespace vtr::losses {

struct LossInput {
  Tensor sim;          // [B texts, B videos], cosines; the pairs are the diagonal
  Tensor logit_scale;  // scalar, log of the inverse temperature
  Tensor duplicates;   // [B, B] bool, off the diagonal: two captions of one video
};

using Loss = std::function<Tensor(const LossInput&)>;

struct LossEntry {
  std::string name, summary;
  config::Schema schema;
  std::function<Loss(const config::Node& options)> make;
};

const Table<LossEntry>& losses();
Loss make_loss(const config::Choice& choice);

// sim [N, M] times its softmax over the texts, at a temperature: a video that many texts are near
// to counts less for each of them (Cheng et al., 2021). left_out [N, M] bool, or undefined: what
// the softmax does not see, 0 in the result.
Tensor dual_softmax(const Tensor& sim, double temperature, const Tensor& left_out = {});

}  // namespace vtr::losses
