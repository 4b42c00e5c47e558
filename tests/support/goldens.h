// Outputs of the published systems' own code (tests/fixtures/goldens.json, whose "_inputs" say how
// they were made), and the formulas of their inputs: arguments in float64, results cast to float32.
#pragma once

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <cmath>
#include <fstream>
#include <string>

namespace vtr::test {

inline const nlohmann::json& goldens() {
  static const nlohmann::json all =
      nlohmann::json::parse(std::ifstream(VTR_FIXTURES "/goldens.json"));
  return all;
}

// A golden list or list of lists, float64.
inline torch::Tensor golden(const std::string& name) {
  const auto& value = goldens().at(name);
  std::vector<double> flat;
  for (const auto& row : value) {
    if (!row.is_array()) return torch::tensor(value.get<std::vector<double>>(), torch::kDouble);
    for (const auto& x : row) flat.push_back(x.get<double>());
  }
  return torch::tensor(flat, torch::kDouble).view({static_cast<int64_t>(value.size()), -1});
}

inline torch::Tensor counter(int64_t n) { return torch::arange(n, torch::kDouble); }

inline torch::Tensor golden_texts(int64_t n, int64_t d) {  // T(n, D)
  const auto i = counter(n).view({-1, 1});
  return (1 + 0.37 * i + 0.011 * counter(d) * (i + 1)).sin().to(torch::kFloat);
}
inline torch::Tensor golden_frames(int64_t n, int64_t f, int64_t d) {  // V(n, F, D)
  const auto j = counter(n).view({-1, 1, 1}), t = counter(f).view({-1, 1}), x = counter(d);
  return (0.5 + 0.29 * j + 0.17 * t + 0.013 * x * (j + 1) + 0.0007 * x * t).cos().to(torch::kFloat);
}
inline torch::Tensor golden_words(int64_t n, int64_t l, int64_t d) {  // W(n, L, D)
  const auto j = counter(n).view({-1, 1, 1}), t = counter(l).view({-1, 1}), x = counter(d);
  return (0.2 + 0.31 * j + 0.23 * t + 0.011 * x * (j + 1) + 0.0009 * x * t).sin().to(torch::kFloat);
}

// True before each row's length: [n, size] bool.
inline torch::Tensor golden_mask(const std::vector<int64_t>& lengths, int64_t size) {
  return torch::arange(size).unsqueeze(0) < torch::tensor(lengths).unsqueeze(1);
}

// 0.02 sin(0.61 k + len(name)) at element k, in the shape of `like`; `name` is the authors' own.
inline torch::Tensor golden_wave(const torch::Tensor& like, const std::string& name,
                                 double amplitude = 0.02) {
  const auto wave = (0.61 * counter(like.numel()) + static_cast<double>(name.size())).sin();
  return (amplitude * wave).view(like.sizes()).to(torch::kFloat);
}

// fill(): one-dimensional '*.weight' around 1, everything else around 0.
inline void golden_fill(torch::Tensor parameter, const std::string& name, double amplitude = 0.02) {
  const torch::NoGradGuard no_grad;
  const bool gain = parameter.dim() == 1 && name.ends_with(".weight");
  parameter.copy_(golden_wave(parameter, name, amplitude) + (gain ? 1.0 : 0.0));
}

}  // namespace vtr::test
