#include "fingerprint.h"

#include "vtr/core/error.h"
#include "vtr/core/hash.h"
#include "vtr/data/frame_store.h"

#include <algorithm>

namespace vtr::eval {
namespace {

// What the file holds that an option's value names, here or in configs/, or the folder of a
// tokenizer; "" for a value that is no path.
std::string content_of(const std::string& value) {
  if (fs::path(value).extension().empty() && fs::path(value).is_relative()) return "";
  try {
    const fs::path path = find_shipped("configs", value);
    if (fs::is_regular_file(path)) return sha256_of_file(path);
    std::string sums;
    for (const char* name : {"vocab.json", "merges.txt"}) {
      if (fs::is_regular_file(path / name)) sums += sha256_of_file(path / name) + " ";
    }
    return sums;
  } catch (const Error&) {
    return "";
  }
}

void add_options(Fingerprint& parts, const std::string& path, const config::Node& options) {
  for (const auto& option : options) {
    const std::string value = config::detail::inline_text(option.second);
    const std::string content = option.second.IsScalar() ? content_of(option.second.Scalar()) : "";
    parts.emplace_back(path + "." + option.first.as<std::string>(),
                       content.empty() ? value : content);
  }
}

void add_choice(Fingerprint& parts, const std::string& path, const config::Choice& choice) {
  parts.emplace_back(path, choice.name);
  add_options(parts, path, choice.options);
}

const std::string* find(const Fingerprint& parts, const std::string& name) {
  const auto found =
      std::ranges::find_if(parts, [&](const auto& part) { return part.first == name; });
  return found == parts.end() ? nullptr : &found->second;
}

// Hashes say nothing to people.
std::string differs(const std::string& name, const std::string* there, const std::string* here) {
  constexpr size_t kLongest = 40;
  if (!there || !here) return fmt::format("{} is known only {}", name, there ? "there" : "here");
  if (std::max(there->size(), here->size()) > kLongest) return name + " differs";
  return fmt::format("{} is {} there and {} here", name, *there, *here);
}

}  // namespace

Fingerprint image_fingerprint(const Encoding& encoding, const std::string& weights) {
  config::Node video(YAML::NodeType::Map);
  for (const auto& option : config::write(encoding.loader.video)) {
    // The training's stand in their places (with_training_frames) or do not count, and the rate
    // counts for its rule alone.
    const std::string& name = option.first.Scalar();
    const bool counts = name != "fps" || encoding.loader.video.sampling == "fps";
    if (counts && !name.starts_with("train_")) video[option.first] = option.second;
  }
  Fingerprint parts = {{"the image tower", weights}, {"eval.precision", encoding.precision}};
  add_choice(parts, "model.encoder", encoding.encoder_choice);
  add_options(parts, "video", video);
  parts.emplace_back("the resolution", std::to_string(encoding.loader.resolution));
  if (const auto& store = encoding.loader.store) {  // one that gives other bits than decoding does
    const auto& spec = store->spec();
    if (spec.format != "raw" || spec.resolution != encoding.loader.resolution) {
      parts.emplace_back("data.store", fmt::format("{} {}, {} {}", spec.format, spec.quality,
                                                   spec.crop, spec.resolution));
    }
  }
  return parts;
}

Fingerprint text_fingerprint(const Encoding& encoding, const std::string& weights) {
  Fingerprint parts = {{"the text tower", weights}, {"eval.precision", encoding.precision}};
  add_choice(parts, "model.encoder", encoding.encoder_choice);
  add_choice(parts, "text.tokenizer", encoding.tokenizer_choice);
  parts.emplace_back("text.max_words", std::to_string(encoding.loader.max_words));
  return parts;
}

std::string difference(const Fingerprint& there, const Fingerprint& here) {
  std::vector<std::string> found;
  for (const auto& [name, value] : there) {
    const auto* other = find(here, name);
    if (!other || *other != value) found.push_back(differs(name, &value, other));
  }
  for (const auto& [name, value] : here) {
    if (!find(there, name)) found.push_back(differs(name, nullptr, &value));
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

}  // namespace vtr::eval
