#include "vtr/sweep/plan.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/eval/paper.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace vtr::sweep {
namespace {

using config::Node;

std::string inline_text(const Node& value) { return config::detail::inline_text(value); }

// "model.head.topk" and 4: "topk=4"; "model.head.name" and joint: "joint". A folder's name.
std::string label_of(const std::string& option, const std::string& value) {
  const std::string last = option.substr(option.rfind('.') + 1);
  return file_name(last == "name" || last == "config" ? value : last + "=" + value);
}

using Variant = std::vector<Setting>;

std::vector<Variant> of_list(const Node& list) {
  if (list.IsNull()) return {{}};
  VTR_CHECK(list.IsSequence() && list.size() > 0, "list: a list of {{option: value}} is needed");
  std::vector<Variant> variants;
  for (const auto& entry : list) {
    VTR_CHECK(entry.IsMap() && entry.size() > 0, "list: {{option: value}} is needed, got {}",
              inline_text(entry));
    const bool named = entry["name"].IsDefined();
    Variant variant;
    for (const auto& item : entry) {
      const auto option = item.first.as<std::string>();
      const std::string value = inline_text(item.second);
      const bool shown = !named || option == "name";
      variant.push_back({option, value, shown ? label_of(option, value) : ""});
    }
    variants.push_back(std::move(variant));
  }
  return variants;
}

// Each of `variants` with each value of the option.
std::vector<Variant> spread(const std::vector<Variant>& variants, const std::string& option,
                            const Node& values) {
  VTR_CHECK(values.IsSequence() && values.size() > 0, "grid.{}: a list of values is needed, got {}",
            option, inline_text(values));
  std::vector<Variant> result;
  for (const auto& variant : variants) {
    for (const auto& item : values) {
      const std::string value = inline_text(item);
      result.push_back(variant);
      result.back().push_back({option, value, label_of(option, value)});
    }
  }
  return result;
}

std::vector<Variant> variants_of(const SweepOptions& options) {
  const Node &grid = options.grid.node, &list = options.list.node;
  VTR_CHECK(!grid.IsNull() || !list.IsNull(),
            "grid, list: one of them is needed; they say what is swept");
  std::vector<Variant> variants = of_list(list);
  if (grid.IsNull()) return variants;
  VTR_CHECK(grid.IsMap() && grid.size() > 0, "grid: {{option: [values]}} is needed, got {}",
            inline_text(grid));
  for (const auto& axis : grid) {
    variants = spread(variants, axis.first.as<std::string>(), axis.second);
  }
  return variants;
}

std::string variant_name(const Variant& variant) {
  std::string name;
  for (const auto& setting : variant) {
    if (!setting.label.empty()) name += (name.empty() ? "" : ",") + setting.label;
  }
  VTR_CHECK(name != "features" && name != "frames" && name != "plots" && name.front() != '.',
            "'{}' cannot be a cell's name", name);
  return name;
}

// The experiment of a variant before its seed.
Node tree_of(const SweepOptions& options, const Variant& variant,
             const std::vector<std::string>& overrides) {
  std::string file = options.config;
  std::vector<std::string> assignments;
  config::detail::require_map(options.options.node, "options");
  for (const auto& item : options.options.node) {
    assignments.push_back(item.first.as<std::string>() + "=" + inline_text(item.second));
  }
  for (const auto& setting : variant) {
    if (setting.option == "config") file = setting.value;
    if (setting.option == "config" || setting.option == "name") continue;
    assignments.push_back(setting.option + "=" + setting.value);
  }
  assignments.insert(assignments.end(), overrides.begin(), overrides.end());
  VTR_CHECK(!file.empty(), "config: the experiment's file is needed, or a name in configs/");
  const Node over = config::parse_overrides(assignments);
  VTR_CHECK(!over["train"] || !over["train"]["seed"], "train.seed: is set by the sweep's `seeds`");
  return config::merge(config::load(file), over);
}

void check_plot(const SweepOptions& options, const std::vector<Cell>& cells) {
  if (!options.paper.empty() && options.paper != kProtocolsTable) {
    eval::paper_tables().find(options.paper);
  }
  for (const auto& metric : options.plot.metrics) {
    VTR_CHECK(std::ranges::count(kMetrics, metric) > 0, "plot.metrics: '{}' is not one of {}",
              metric, fmt::join(kMetrics, ", "));
  }
  if (options.plot.x.empty()) return;
  for (const auto& cell : cells) {
    const auto is_x = [&](const Setting& setting) { return setting.option == options.plot.x; };
    VTR_CHECK(std::ranges::any_of(cell.settings, is_x), "plot.x: {} is not swept in cell {}",
              options.plot.x, cell.variant);
  }
}

// A folder that two variants or two equal experiments would share.
void check_apart(const std::vector<Cell>& cells) {
  std::set<std::string> names;
  std::map<std::string, std::string> experiments;
  for (const auto& cell : cells) {
    VTR_CHECK(names.insert(cell.name()).second,
              "two cells are called {}: give list entries a `name`, and each seed once",
              cell.name());
    const auto [twin, fresh] = experiments.emplace(config::to_text(cell.experiment), cell.name());
    VTR_CHECK(fresh, "{} and {} are the same experiment", twin->second, cell.name());
  }
}

}  // namespace

std::vector<Cell> plan(const SweepOptions& options, const std::vector<std::string>& overrides,
                       const Resolve& resolve) {
  VTR_CHECK(!options.seeds.empty(), "seeds: at least one is needed");
  std::vector<Cell> cells;
  for (const auto& variant : variants_of(options)) {
    const std::string name = variant_name(variant);
    try {
      const Node tree = tree_of(options, variant, overrides);
      for (const auto& seed : options.seeds) {
        const Node seeded = config::merge(tree, config::parse_overrides({"train.seed=" + seed}));
        const Node experiment = resolve(seeded);
        cells.push_back({name, variant, experiment["train"]["seed"].as<int64_t>(), experiment});
      }
    } catch (const Error& error) {
      throw Error(fmt::format("cell {}: {}", name, error.what()));
    }
  }
  check_apart(cells);
  check_plot(options, cells);
  return cells;
}

std::string file_name(std::string text) {
  static const std::string kPlain = "._=+-@";
  for (char& c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && kPlain.find(c) == std::string::npos) {
      c = '_';
    }
  }
  return text;
}

}  // namespace vtr::sweep
