#include "scoring.h"

#include "vtr/config/load.h"

#include <torch/types.h>

#include <algorithm>

namespace vtr::cli {
namespace {

constexpr int64_t kBlock = 512;  // items whose states are computed at once

Tensor part(const Tensor& x, int64_t begin, int64_t end) {
  return x.defined() ? x.slice(0, begin, end) : x;
}

template <class F>
models::State in_blocks(int64_t items, F states) {
  const torch::NoGradGuard no_grad;
  std::vector<models::State> parts;
  for (int64_t i = 0; i < items; i += kBlock) {
    parts.push_back(states(i, std::min(items, i + kBlock)));
  }
  return models::State::cat(parts);
}

}  // namespace

void HeadFlags::add(CLI::App& app) {
  app.add_option("--head", name, "retrieval head (vtr list heads)")->capture_default_str();
  app.add_option("--set", set, "option=value of the head: --set heads=8 --set topk=4");
}

std::shared_ptr<models::Head> HeadFlags::make(const models::HeadContext& context,
                                              const config::Node& base) const {
  const auto options = config::merge(base, config::parse_overrides(set));
  auto head = models::make_head({name, options}, context);
  head->eval();
  return head;
}

models::TextState text_states(models::Head& head, const models::TextFeatures& features) {
  return in_blocks(features.pooled.size(0), [&](int64_t begin, int64_t end) {
    return head.text({part(features.pooled, begin, end), part(features.tokens, begin, end),
                      part(features.mask, begin, end)});
  });
}

models::VideoState video_states(models::Head& head, const models::VideoFeatures& features) {
  return in_blocks(features.frames.size(0), [&](int64_t begin, int64_t end) {
    return head.video({part(features.frames, begin, end), part(features.patches, begin, end),
                       part(features.mask, begin, end), part(features.times, begin, end)});
  });
}

}  // namespace vtr::cli
