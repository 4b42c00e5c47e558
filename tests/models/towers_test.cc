#include "vtr/models/towers.h"

#include "support/tiny_clip.h"

#include <gtest/gtest.h>

namespace vtr::models {
namespace {

TEST(Towers, TrainWhereGradientsAreAskedFor) {
  const auto pair = test::tiny_clip();
  EXPECT_TRUE(trains(*pair, Tower::image) && trains(*pair, Tower::text));
  for (auto& item : pair->named_parameters()) {
    if (item.key().starts_with("visual.")) item.value().set_requires_grad(false);
  }
  EXPECT_FALSE(trains(*pair, Tower::image));
  EXPECT_TRUE(trains(*pair, Tower::text));
  for (auto& item : pair->named_parameters()) {
    if (item.key() != "logit_scale") item.value().set_requires_grad(false);
  }
  EXPECT_FALSE(trains(*pair, Tower::text)) << "the temperature is no part of a tower";
}

}  // namespace
}  // namespace vtr::models
