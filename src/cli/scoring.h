// A head on its own, for the commands that score features.
#pragma once

#include "commands.h"

#include "vtr/models/head.h"

namespace vtr::cli {

// --head NAME and --set option=value.
struct HeadFlags {
  std::string name = "joint";
  std::vector<std::string> set;
  void add(CLI::App& app);
  // In evaluation mode, with random weights; --set lies over the options `base`.
  std::shared_ptr<models::Head> make(const models::HeadContext& context,
                                     const config::Node& base = {}) const;
};

// States of all texts or videos, computed a block of items at a time.
models::TextState text_states(models::Head& head, const models::TextFeatures& features);
models::VideoState video_states(models::Head& head, const models::VideoFeatures& features);

}  // namespace vtr::cli
