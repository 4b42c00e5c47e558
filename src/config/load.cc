#include "vtr/config/load.h"

#include "vtr/core/error.h"
#include "vtr/core/files.h"

#include <algorithm>
#include <set>

namespace vtr::config {
namespace {

// YAML's own library keeps both, and follows an alias of itself for ever.
void refuse_twice(const Node& node, const std::string& path, const std::string& where,
                  int depth = 0) {
  constexpr int kDeepest = 50;
  VTR_CHECK(depth < kDeepest, "{}: {} is nested too deep (an alias of itself?)", where, path);
  if (!node.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& item : node) {
    const auto name = detail::join(path, item.first.as<std::string>());
    VTR_CHECK(seen.insert(name).second, "{}: {} is there twice", where, name);
    refuse_twice(item.second, name, where, depth + 1);
  }
}

Node parse(const std::string& text, const std::string& where) {
  try {
    const Node node = YAML::Load(text);
    refuse_twice(node, "", where);
    return node;
  } catch (const YAML::Exception& error) {
    throw Error(fmt::format("{}: not valid YAML: {}", where, error.what()));
  }
}

fs::path locate(const std::string& name, const fs::path& beside) {
  const fs::path sibling = beside / name;
  return fs::exists(sibling) ? sibling : find_shipped("configs", name);
}

Node load_file(const fs::path& path, std::vector<fs::path> chain) {
  const fs::path canonical = fs::canonical(path);
  VTR_CHECK(std::find(chain.begin(), chain.end(), canonical) == chain.end(),
            "{}: its base files lead back to itself", path.string());
  chain.push_back(canonical);
  Node own = parse(read_file(path), path.string());
  if (own.IsNull()) own = Node(YAML::NodeType::Map);
  VTR_CHECK(own.IsMap(), "{}: a map of options is needed", path.string());
  const Node base = own["base"];
  Node result(YAML::NodeType::Map);
  if (base) {
    const auto names = base.IsSequence() ? base.as<std::vector<std::string>>()
                                         : std::vector<std::string>{base.as<std::string>()};
    for (const auto& name : names) {
      result = merge(result, load_file(locate(name, path.parent_path()), chain));
    }
    own.remove("base");
  }
  return merge(result, own);
}

std::string chosen_name(const Node& node) {
  if (node.IsScalar()) return node.Scalar();
  return node.IsMap() && node["name"] && node["name"].IsScalar() ? node["name"].Scalar() : "";
}

std::string difference(const Node& a, const Node& b, const std::string& path) {
  const bool maps = a.IsDefined() && b.IsDefined() && a.IsMap() && b.IsMap();
  if (!maps) {
    const auto shown = [](const Node& n) {
      return n.IsDefined() ? detail::inline_text(n) : "(none)";
    };
    return shown(a) == shown(b) ? "" : fmt::format("{} ({}, {})", path, shown(a), shown(b));
  }
  for (const auto* map : {&a, &b}) {
    for (const auto& item : *map) {
      const auto key = item.first.as<std::string>();
      const auto found = difference(a[key], b[key], detail::join(path, key));
      if (!found.empty()) return found;
    }
  }
  return "";
}

}  // namespace

Node merge(const Node& base, const Node& over) {
  if (base.IsScalar() && over.IsMap()) {  // `head: joint`, and then an option of it
    Node named(YAML::NodeType::Map);
    named["name"] = base;
    return merge(named, over);
  }
  const std::string old_name = chosen_name(base);
  const std::string new_name = chosen_name(over);
  if (!base.IsMap() || !over.IsMap() ||
      (!new_name.empty() && !old_name.empty() && new_name != old_name)) {
    return YAML::Clone(over);
  }
  Node result = YAML::Clone(base);
  for (const auto& item : over) {
    const auto key = item.first.as<std::string>();
    const Node old = static_cast<const Node&>(result)[key];
    result[key] = old.IsDefined() ? merge(old, item.second) : YAML::Clone(item.second);
  }
  return result;
}

Node load(const std::string& name) { return load_file(locate(name, fs::current_path()), {}); }

Node parse_overrides(const std::vector<std::string>& assignments) {
  Node result(YAML::NodeType::Map);
  for (const auto& assignment : assignments) {
    const size_t equals = assignment.find('=');
    VTR_CHECK(equals != std::string::npos && equals > 0,
              "'{}': an override is written option=value", assignment);
    Node value = parse(assignment.substr(equals + 1), assignment);
    std::string path = assignment.substr(0, equals);
    for (size_t dot = path.rfind('.'); dot != std::string::npos; dot = path.rfind('.')) {
      Node outer(YAML::NodeType::Map);
      outer[path.substr(dot + 1)] = value;
      value = outer;
      path.resize(dot);
    }
    Node outer(YAML::NodeType::Map);
    outer[path] = value;
    result = merge(result, outer);
  }
  return result;
}

std::string to_text(const Node& node) {
  YAML::Emitter out;
  out << node;
  return std::string(out.c_str()) + "\n";
}

std::string first_difference(const Node& a, const Node& b) { return difference(a, b, ""); }

}  // namespace vtr::config
