#include "groups.h"

#include "vtr/core/error.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fnmatch.h>
#include <map>
#include <optional>

namespace vtr::train {
namespace {

bool matches(const std::string& name, const std::string& pattern) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool decays(const std::string& which, const std::string& name, const Tensor& value) {
  if (which == "no_bias") return name.find("bias") == std::string::npos;
  return which == "all" || value.dim() >= 2;
}

struct Rate {
  std::string pattern;
  double factor = 1;
};

// "pattern=factor"
Rate parse_rate(const std::string& text) {
  const size_t equals = text.rfind('=');
  Rate rate;
  std::from_chars_result read{nullptr, std::errc::invalid_argument};
  const char* end = text.data() + text.size();
  if (equals != std::string::npos) read = std::from_chars(&text[equals] + 1, end, rate.factor);
  VTR_CHECK(read.ec == std::errc() && read.ptr == end && rate.factor >= 0,
            "train.rates: '{}' is not written pattern=factor", text);
  rate.pattern = text.substr(0, equals);
  return rate;
}

std::vector<Rate> parse_rates(const torch::nn::Module& model,
                              const std::vector<std::string>& texts) {
  std::vector<Rate> rates;
  const auto names = model.named_parameters().keys();
  for (const auto& text : texts) {
    rates.push_back(parse_rate(text));
    const auto& pattern = rates.back().pattern;
    VTR_CHECK(std::any_of(names.begin(), names.end(),
                          [&](const auto& name) { return matches(name, pattern); }),
              "train.rates: no parameter matches '{}'", pattern);
  }
  return rates;
}

// Where a weight of a tower stands: 0 its embeddings, then its blocks from 1.
struct Place {
  std::string tower;
  int64_t depth = 0;
};

// Of OpenAI's names; none behind the blocks and for what belongs to no tower.
std::optional<Place> place_of(const std::string& name) {
  static const std::string kBlocks = "transformer.resblocks.";
  static constexpr std::array<const char*, 6> kEmbeddings = {
      "conv1.", "conv2.", "class_embedding", "positional_embedding", "token_embedding.", "ln_pre."};
  if (!name.starts_with("clip.")) return std::nullopt;
  const std::string tower = name.starts_with("clip.visual.") ? "clip.visual." : "clip.";
  const std::string rest = name.substr(tower.size());
  if (rest.starts_with(kBlocks)) return Place{tower, std::stol(rest.substr(kBlocks.size())) + 1};
  const bool embeds = std::any_of(kEmbeddings.begin(), kEmbeddings.end(),
                                  [&](const char* start) { return rest.starts_with(start); });
  return embeds ? std::optional(Place{tower, 0}) : std::nullopt;
}

// The factor of layer-wise decay on every weight's rate, that of the last block `decay`.
class LayerDecay {
 public:
  LayerDecay(const torch::nn::Module& model, double decay) : decay_(decay) {
    if (decay == 1) return;
    for (const auto& name : model.named_parameters().keys()) {
      const auto place = place_of(name);
      if (place && place->depth > 0) {
        auto& blocks = blocks_[place->tower];
        blocks = std::max(blocks, place->depth);
      }
    }
    VTR_CHECK(!blocks_.empty(), "train.layer_decay: the encoders have no blocks by CLIP's names");
  }
  double factor(const std::string& name) const {
    const auto place = decay_ == 1 ? std::nullopt : place_of(name);
    if (!place) return 1;
    const auto found = blocks_.find(place->tower);
    const int64_t blocks = found == blocks_.end() ? 0 : found->second;
    return std::pow(decay_, static_cast<double>(blocks + 1 - place->depth));
  }

 private:
  double decay_;
  std::map<std::string, int64_t> blocks_;  // of each tower
};

}  // namespace

int64_t freeze(torch::nn::Module& model, const std::vector<std::string>& patterns) {
  int64_t frozen = 0;
  for (const auto& pattern : patterns) {
    bool matched = false;
    for (auto& item : model.named_parameters()) {
      if (!matches(item.key(), pattern)) continue;
      matched = true;
      if (item.value().requires_grad()) frozen += item.value().numel();
      item.value().set_requires_grad(false);
    }
    VTR_CHECK(matched, "train.freeze: no parameter matches '{}'", pattern);
  }
  return frozen;
}

std::vector<Trained> trained(const torch::nn::Module& model, const TrainOptions& options) {
  const auto rates = parse_rates(model, options.rates);
  const LayerDecay layers(model, options.layer_decay);
  std::vector<Trained> result;
  for (const auto& item : model.named_parameters()) {
    const auto& [name, value] = item.pair();
    if (!value.requires_grad()) continue;
    const bool encoder = name.starts_with("clip.");
    double rate = (encoder ? options.encoder_lr : options.lr) * layers.factor(name);
    for (const auto& [pattern, factor] : rates) {
      if (matches(name, pattern)) rate *= factor;
    }
    const double decay = decays(options.decay, name, value) ? options.weight_decay : 0;
    result.push_back({name, value, encoder, rate, decay});
  }
  return result;
}

}  // namespace vtr::train
