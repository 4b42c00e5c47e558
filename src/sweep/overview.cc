#include "vtr/sweep/overview.h"

#include "summary.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vtr::sweep {
namespace {

using Json = nlohmann::ordered_json;

Result read_result(const Json& json) {
  Result result;
  result.cell.variant = json.at("cell");
  result.cell.seed = json.at("seed");
  result.error = json.value("error", "");
  const Json metrics = json.value("metrics", Json::object());  // items() keeps no temporary
  for (const auto& [split, directions] : metrics.items()) {
    for (const auto& [direction, values] : directions.items()) {
      result.figures.push_back({split, direction, values.get<std::map<std::string, double>>()});
    }
  }
  return result;
}

// "single_R@1" -> "R@1 over model.head.topk, single".
std::string title_of(const std::string& plot, const std::string& x) {
  const size_t end = plot.rfind('_');
  return fmt::format("{} over {}, {}", plot.substr(end + 1), x, plot.substr(0, end));
}

}  // namespace

bool is_sweep(const fs::path& folder) { return fs::exists(folder / "results.json"); }

Overview read_overview(const fs::path& folder) {
  const auto options =
      config::read<SweepOptions>(config::load((folder / "sweep.yaml").string()), "");
  std::vector<Result> results;
  try {
    for (const auto& cell : Json::parse(read_file(folder / "results.json"))) {
      results.push_back(read_result(cell));
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{}: {}", (folder / "results.json").string(), error.what()));
  }
  Overview overview{table(options, results), missing(results), {}};
  if (!fs::exists(folder / "plots")) return overview;
  for (const auto& entry : fs::directory_iterator(folder / "plots")) {
    if (entry.path().extension() != ".svg") continue;
    overview.plots.emplace_back(title_of(entry.path().stem().string(), options.plot.x),
                                read_file(entry.path()));
  }
  std::sort(overview.plots.begin(), overview.plots.end());
  return overview;
}

}  // namespace vtr::sweep
