#include "vtr/losses/losses.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace vtr::losses {
namespace {

double by_hand(const Tensor& logits, const Tensor& left_out) {
  double total = 0;
  const int64_t n = logits.size(0);
  for (int64_t i = 0; i < n; ++i) {
    double row = 0, column = 0;
    for (int64_t j = 0; j < n; ++j) {
      if (left_out[i][j].item<bool>()) continue;
      row += std::exp(logits[i][j].item<double>());
      column += std::exp(logits[j][i].item<double>());
    }
    total += std::log(row) + std::log(column) - 2 * logits[i][i].item<double>();
  }
  return total / (2 * static_cast<double>(n));
}

TEST(SymmetricCe, IsTheMeanOfBothDirections) {
  torch::manual_seed(1);
  const Tensor sim = torch::rand({6, 6}), scale = torch::tensor(1.5);
  const Tensor none = torch::zeros({6, 6}, torch::kBool);
  const auto loss = make_loss({"symmetric_ce", config::Node(YAML::NodeType::Map)});
  EXPECT_NEAR(loss({sim, scale, none}).item<double>(), by_hand(sim * std::exp(1.5), none), 1e-5);
}

TEST(SymmetricCe, TwoCaptionsOfOneVideoAreNoNegatives) {
  torch::manual_seed(1);
  const Tensor sim = torch::rand({4, 4}), scale = torch::tensor(2.0);
  Tensor same = torch::zeros({4, 4}, torch::kBool);
  same[0][2] = same[2][0] = true;
  const config::Node all = YAML::Load("{mask_duplicates: false}");
  EXPECT_NEAR(make_loss({"symmetric_ce", YAML::Load("{}")})({sim, scale, same}).item<double>(),
              by_hand(sim * std::exp(2.0), same), 1e-5);
  EXPECT_NEAR(make_loss({"symmetric_ce", all})({sim, scale, same}).item<double>(),
              by_hand(sim * std::exp(2.0), torch::zeros({4, 4}, torch::kBool)), 1e-5);
}

}  // namespace
}  // namespace vtr::losses
