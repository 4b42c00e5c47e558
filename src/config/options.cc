#include "vtr/config/options.h"

#include "vtr/core/table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace vtr::config::detail {
namespace {

template <class... Args>
[[noreturn]] void refuse(const std::string& path, fmt::format_string<Args...> format,
                         Args&&... args) {
  throw Error(fmt::format("{}: {}", path, fmt::format(format, std::forward<Args>(args)...)));
}

std::string scalar(const Node& node, const std::string& path, const char* kind) {
  if (!node.IsScalar()) refuse(path, "{} is needed, got {}", kind, inline_text(node));
  return node.Scalar();
}

template <class T>
T number(const Node& node, const std::string& path, const Limits& limits, const char* kind) {
  const std::string text = scalar(node, path, kind);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(path, "{} is needed, got '{}'", kind, text);
  }
  const bool finite = std::isfinite(static_cast<double>(value));
  if (!finite || value < limits.min || value > limits.max) {
    refuse(path, "{} is out of range{}", text, limits_text(limits));
  }
  return value;
}

}  // namespace

void read_value(const Node& node, const std::string& path, const Limits&, bool& value) {
  const std::string text = scalar(node, path, "true or false");
  if (text != "true" && text != "false") refuse(path, "true or false is needed, got '{}'", text);
  value = text == "true";
}

void read_value(const Node& node, const std::string& path, const Limits& limits, int64_t& value) {
  value = number<int64_t>(node, path, limits, "a whole number");
}

void read_value(const Node& node, const std::string& path, const Limits& limits, double& value) {
  value = number<double>(node, path, limits, "a number");
}

void read_value(const Node& node, const std::string& path, const Limits& limits,
                std::string& value) {
  value = node.IsNull() ? "" : scalar(node, path, "a text");
  const auto& known = limits.values;
  if (!known.empty() && std::find(known.begin(), known.end(), value) == known.end()) {
    refuse(path, "'{}' is not one of {}", value, fmt::join(known, ", "));
  }
}

void read_value(const Node& node, const std::string& path, const Limits&, Choice& value) {
  if (node.IsScalar()) {  // `head: joint` is short for `head: {name: joint}`
    value = {node.Scalar(), Node(YAML::NodeType::Map)};
    return;
  }
  require_map(node, path);
  Node options(YAML::NodeType::Map);
  for (const auto& item : node) {
    const auto key = item.first.as<std::string>();
    if (key == "name") {
      value.name = scalar(item.second, join(path, "name"), "a name");
    } else {
      options[key] = item.second;
    }
  }
  value.options = options;
}

void read_value(const Node& node, const std::string& path, const Limits&,
                std::vector<std::string>& value) {
  if (!node.IsSequence()) refuse(path, "a list is needed, got {}", inline_text(node));
  value.clear();
  for (const auto& item : node) value.push_back(scalar(item, path, "a list of texts"));
}

Node write_value(bool value) { return Node(value ? "true" : "false"); }
Node write_value(int64_t value) { return Node(std::to_string(value)); }
Node write_value(double value) { return Node(fmt::format("{}", value)); }
Node write_value(const std::string& value) { return Node(value); }

Node write_value(const Choice& value) {
  Node node(YAML::NodeType::Map);
  node["name"] = value.name;
  if (value.options.IsMap()) {
    for (const auto& item : value.options) node[item.first.as<std::string>()] = item.second;
  }
  return node;
}

Node write_value(const std::vector<std::string>& value) {
  Node node(YAML::NodeType::Sequence);
  node.SetStyle(YAML::EmitterStyle::Flow);
  for (const auto& item : value) node.push_back(item);
  return node;
}

std::string inline_text(const Node& node) {
  YAML::Emitter out;
  out << YAML::Flow << node;
  return out.c_str();
}

std::string limits_text(const Limits& limits) {
  if (!limits.values.empty()) return fmt::format(" ({})", fmt::join(limits.values, ", "));
  if (std::isfinite(limits.min) && std::isfinite(limits.max)) {
    return fmt::format(" ({} to {})", limits.min, limits.max);
  }
  if (std::isfinite(limits.min)) return fmt::format(" (at least {})", limits.min);
  return "";
}

void require_map(const Node& node, const std::string& path) {
  if (!node.IsMap() && !node.IsNull()) {
    refuse(path.empty() ? "the configuration" : path, "a map of options is needed, got {}",
           inline_text(node));
  }
}

void refuse_unknown(const Node& node, const std::string& path,
                    const std::vector<std::string>& known) {
  for (const auto& item : node) {
    const auto key = item.first.as<std::string>();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    if (!near.empty())
      refuse(join(path, key), "no such option (did you mean {}?)", join(path, near));
    refuse(join(path, key), "no such option (known: {})", fmt::join(known, ", "));
  }
}

}  // namespace vtr::config::detail
