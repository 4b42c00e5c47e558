// Typed options. A struct states its options once, in `fields`; reading, writing, ranges and help
// all come from that one function.
//
//   struct TrainOptions {
//     int64_t epochs = 5;
//     void fields(auto& f) { f("epochs", epochs, "passes over the training set", at_least(1)); }
//     void check(const std::string& path) const;   // optional: what spans several fields
//   };
//   auto options = config::read<TrainOptions>(node, "train");   // unknown keys refused by full
//   path config::Node resolved = config::write(options);
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace vtr::config {

using Node = YAML::Node;

// One of a table, with its own options, which only the chosen entry can read: {name: joint, topk:
// 4}. Copies have options of their own, which copies of a Node do not: what is assigned to one of
// them, all have.
struct Choice {
  Choice() = default;
  Choice(std::string entry, const Node& own) : name(std::move(entry)), options(own) {}
  Choice(const Choice& other) : name(other.name), options(YAML::Clone(other.options)) {}
  Choice& operator=(const Choice& other) {
    name = other.name;
    options.reset(YAML::Clone(other.options));
    return *this;
  }
  ~Choice() = default;
  std::string name;
  Node options;
};

// What a value may be; the default allows anything.
struct Limits {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> values;
};
inline Limits at_least(double min) { return {.min = min, .values = {}}; }
inline Limits between(double min, double max) { return {.min = min, .max = max, .values = {}}; }
inline Limits one_of(std::vector<std::string> values) { return {.values = std::move(values)}; }

// A line of help: the option's full name, its default as YAML, what it does, what it may be.
struct Row {
  std::string name, value, help;
};

namespace detail {

struct Probe {
  void operator()(const char*, auto&, const char*, const Limits& = {}) {}
};
template <class T>
concept Struct = requires(T& t, Probe& probe) {
  t.fields(probe);
};
template <class T>
concept Checked = requires(const T& t) {
  t.check(std::string());
};

void read_value(const Node& node, const std::string& path, const Limits& limits, bool& value);
void read_value(const Node& node, const std::string& path, const Limits& limits, int64_t& value);
void read_value(const Node& node, const std::string& path, const Limits& limits, double& value);
void read_value(const Node& node, const std::string& path, const Limits& limits,
                std::string& value);
void read_value(const Node& node, const std::string& path, const Limits& limits, Choice& value);
void read_value(const Node& node, const std::string& path, const Limits& limits,
                std::vector<std::string>& value);
Node write_value(bool value);
Node write_value(int64_t value);
Node write_value(double value);
Node write_value(const std::string& value);
Node write_value(const Choice& value);
Node write_value(const std::vector<std::string>& value);
std::string inline_text(const Node& node);
std::string limits_text(const Limits& limits);
void require_map(const Node& node, const std::string& path);
void refuse_unknown(const Node& node, const std::string& path,
                    const std::vector<std::string>& known);
inline std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

template <Struct T>
void read_into(T& options, const Node& node, const std::string& path);

struct Reader {
  const Node& node;
  const std::string& path;
  std::vector<std::string> known;
  template <class T>
  void operator()(const char* name, T& value, const char*, const Limits& limits = {}) {
    known.push_back(name);
    const Node child = node.IsMap() ? node[name] : Node(YAML::NodeType::Undefined);
    if constexpr (Struct<T>) {
      read_into(value, child.IsDefined() ? child : Node(YAML::NodeType::Map), join(path, name));
    } else if (child.IsDefined()) {
      read_value(child, join(path, name), limits, value);
    }
  }
};

struct Writer {
  Node node{YAML::NodeType::Map};
  template <class T>
  void operator()(const char* name, T& value, const char*, const Limits& = {}) {
    if constexpr (Struct<T>) {
      Writer inner;
      value.fields(inner);
      node[name] = inner.node;
    } else {
      node[name] = write_value(value);
    }
  }
};

struct Helper {
  std::vector<Row>& rows;
  std::string path;
  template <class T>
  void operator()(const char* name, T& value, const char* help, const Limits& limits = {}) {
    if constexpr (Struct<T>) {
      Helper inner{rows, join(path, name)};
      value.fields(inner);
    } else {
      rows.push_back(
          {join(path, name), inline_text(write_value(value)), help + limits_text(limits)});
    }
  }
};

template <Struct T>
void read_into(T& options, const Node& node, const std::string& path) {
  require_map(node, path);
  Reader reader{node, path, {}};
  options.fields(reader);
  refuse_unknown(node, path, reader.known);
  if constexpr (Checked<T>) options.check(path);
}

}  // namespace detail

// Reads a map. `path` is the full name of the place, for errors. Throws Error for an unknown
// key (naming the nearest known one), a value of the wrong kind or out of its limits.
template <class T>
T read(const Node& node, const std::string& path) {
  T options;
  detail::read_into(options, node, path);
  return options;
}

// Every option with its value, defaults included: read(write(x)) == x.
template <class T>
Node write(T options) {
  detail::Writer writer;
  options.fields(writer);
  return writer.node;
}

// A line per option with its default.
template <class T>
std::vector<Row> help(const std::string& path) {
  std::vector<Row> rows;
  T options;
  detail::Helper helper{rows, path};
  options.fields(helper);
  return rows;
}

// The options side of a table entry, for those who do not know its type.
struct Schema {
  std::function<Node(const Node&, const std::string& path)>
      resolve;  // checks, and fills defaults in
  std::function<std::vector<Row>(const std::string& path)> help;
};
template <class T>
Schema schema() {
  return {[](const Node& node, const std::string& path) { return write(read<T>(node, path)); },
          [](const std::string& path) { return help<T>(path); }};
}

// An entry that has no options.
struct NoOptions {
  void fields(auto&) {}
};

}  // namespace vtr::config
