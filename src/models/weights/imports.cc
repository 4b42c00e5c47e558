#include "vtr/models/weights/imports.h"

#include "clip/options.h"
#include "weights/fit.h"
#include "weights/sources.h"

#include "vtr/core/error.h"
#include "vtr/models/weights/copy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <regex>

namespace vtr::models {
namespace {

using enum ImportRule::Part;

// CLIP4Clip's layout, which most have: a CLIP in OpenAI's names, and the head at the root.
const std::vector<ImportRule> kRoot{{"clip.", encoder}, {"", head}};

const std::vector<ImportRule> kStan{
    {"text_backbone.", encoder},
    {"backbone.STAN_", encoder, "STAN_"},
    {"backbone.visual_projection.", encoder, "visual_projection."},
    {"backbone.layers.", encoder, "vision_model.encoder.layers."},
    {"backbone.pre_layrnorm.", encoder, "vision_model.pre_layrnorm."},  // sic
    {"backbone.post_layernorm.", encoder, "vision_model.post_layernorm."},
    {"backbone.", encoder, "vision_model.embeddings."}};

bool contains(const std::string& text, const std::string& part) {
  return !part.empty() && text.find(part) != std::string::npos;
}

// Another system's file says so in one of its names.
void check_system(const ImportEntry& system, const TensorMap& tensors, const std::string& file) {
  for (const auto& other : imports()) {
    if (other.name == system.name) continue;
    for (const auto& [name, tensor] : tensors) {
      VTR_CHECK(!contains(name, other.mark), "{}: '{}' is a weight of {}, not of {}: use --from {}",
                file, name, other.name, system.name, other.name);
    }
  }
}

void sort_in(Import& import, const ImportEntry& system, const std::string& name,
             const Tensor& tensor) {
  if (name.ends_with("position_ids")) {  // 0, 1, 2, .. in a buffer
    import.dead.push_back(name);
    return;
  }
  const auto rule = std::ranges::find_if(
      system.rules, [&](const ImportRule& r) { return name.starts_with(r.prefix); });
  if (rule == system.rules.end()) {
    import.unknown.push_back(name);
    return;
  }
  std::string ours = rule->to + name.substr(rule->prefix.size());
  if (rule->part == encoder && contains(ours, system.wrapper)) {
    ours.erase(ours.find(system.wrapper), system.wrapper.size());
  }
  (rule->part == encoder ? import.encoders : import.head).emplace_back(ours, tensor);
}

bool has_prefix(const TensorMap& tensors, const std::string& prefix) {
  return std::ranges::any_of(tensors,
                             [&](const auto& item) { return item.first.starts_with(prefix); });
}

std::vector<std::string> names_of(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

// "; missing: a, b", or nothing.
std::string listing(const char* title, const std::vector<std::string>& names) {
  return names.empty() ? "" : fmt::format("; {}: {}", title, grouped(names));
}

// Names of the file that are the model's own.
std::vector<std::string> never_renamed(const Import& import, const TensorMap& targets) {
  std::vector<std::string> names = import.unknown;
  for (const auto& [name, tensor] : import.head) names.push_back(name);
  std::erase_if(names, [&](const std::string& name) {
    return std::ranges::find(targets, name, &TensorMap::value_type::first) == targets.end();
  });
  return names;
}

}  // namespace

const Table<ImportEntry>& imports() {
  static const Table<ImportEntry> table(
      "system",
      {{"xpool",
        "X-Pool, in OpenAI's or Hugging Face's names",
        "clip",
        "pool_frames.cross_attn.",
        {{"clip.", encoder}, {"pool_frames.", head}}},
       {"clip4clip", "CLIP4Clip: meanP, seqLSTM, seqTransf, tightTransf", "clip", "", kRoot},
       {"xclip", "X-CLIP", "clip", "global_mat_weight", kRoot},
       {"ts2net", "TS2-Net", "ts2_shift", "visual_token_selector.", kRoot, "net."},
       {"stan", "STAN and Mug-STAN", "stan", "backbone.STAN_", kStan, "", 100},
       {"dgl", "DGL", "dgl", "clip.visual.prompt_embeddings", kRoot},
       {"centerclip", "CenterCLIP", "centerclip", "", kRoot}});
  return table;
}

Import read_import(const std::string& name, const std::filesystem::path& file) {
  const ImportEntry& system = imports().find(name);
  Import result{name, file.string(), {}, {}, {}, {}, {}};
  const TensorMap tensors = load_safetensors(file, &result.metadata);
  check_system(system, tensors, result.file);
  require_finite(tensors, result.file);
  for (const auto& [theirs, tensor] : tensors) sort_in(result, system, theirs, tensor);
  VTR_CHECK(!result.encoders.empty(), "{}: no weights of encoders as {} names them; it holds: {}{}",
            result.file, name, grouped(names_of(tensors)),
            has_prefix(tensors, "visual.") ? " (a CLIP alone needs no import: model.weights)" : "");
  if (has_prefix(result.encoders, "text_model.")) {
    result.encoders = from_hugging_face(result.encoders, result.file);
  }
  if (system.fixed_scale > 0 && !has_prefix(result.encoders, "logit_scale")) {
    result.encoders.emplace_back("logit_scale", at::scalar_tensor(std::log(system.fixed_scale)));
  }
  return result;
}

ModelOptions sized(ModelOptions options, const Import& import) {
  const ImportEntry& system = imports().find(import.system);
  config::Choice& chosen = options.encoder;
  VTR_CHECK(chosen.name == system.encoders,
            "model.encoder.name: the weights of {} are for '{}', not for '{}'", system.name,
            system.encoders, chosen.name);
  const config::Node sizes = clip_sizes(import.encoders, import.file);
  chosen.options =
      encoders().find(chosen.name).infer(merge_sizes(chosen.options, sizes, import.file), "");
  options.weights = "";
  return options;
}

std::vector<std::string> load_import(Retriever& model, const Import& import) {
  const TensorMap targets = named_tensors(model);
  std::vector<std::string> dead = import.dead;
  TensorMap tensors;
  for (const auto& [name, tensor] : import.encoders) tensors.emplace_back("clip." + name, tensor);
  for (const auto& [theirs, tensor] : import.head) {
    const std::string ours = model.head().name_here(theirs);
    if (ours.empty()) {
      dead.push_back(theirs);
    } else {
      tensors.emplace_back("head." + ours, cut_positions("head." + ours, tensor, targets));
    }
  }
  Fit found = fit(targets, tensors);
  found.unexpected.insert(found.unexpected.end(), import.unknown.begin(), import.unknown.end());
  const auto ours = never_renamed(import, targets);
  VTR_CHECK(found.whole() || ours.empty(),
            "{}: has vtr's own names, not those of {}: {}; it needs no import: vtr eval --weights, "
            "or vtr train --init-from",
            import.file, import.system, grouped(ours));
  VTR_CHECK(found.whole(),
            "{}: not the weights of the configured model{}{}{} (a head's sizes follow video.frames "
            "and text.max_words)",
            import.file, listing("missing", found.missing),
            listing("of no use in it", found.unexpected),
            listing("of another shape", found.mismatched));
  found.copy();
  return dead;
}

std::string grouped(const std::vector<std::string>& names) {
  static const std::regex number(R"(\.\d+(?=\.))");
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;  // in the order they come
  for (const auto& name : names) {
    const std::string pattern = std::regex_replace(name, number, ".*");
    const auto known =
        std::ranges::find_if(groups, [&](const auto& g) { return g.first == pattern; });
    if (known == groups.end()) {
      groups.push_back({pattern, {name}});
    } else {
      known->second.push_back(name);
    }
  }
  std::vector<std::string> texts;
  for (const auto& [pattern, members] : groups) {
    texts.push_back(members.size() == 1 ? members[0]
                                        : fmt::format("{} ({})", pattern, members.size()));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace vtr::models
