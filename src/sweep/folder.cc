#include "folder.h"

#include "summary.h"

#include "vtr/config/load.h"
#include "vtr/core/error.h"
#include "vtr/core/log.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace vtr::sweep {
namespace {

fs::path sweep_file(const fs::path& folder) { return folder / "sweep.yaml"; }

bool is_named(const Cell& cell, const std::string& name) {
  return cell.variant == name || cell.name() == name;
}

bool is_rerun(const Request& request, const Cell& cell) {
  return std::ranges::any_of(request.rerun, [&](const auto& name) { return is_named(cell, name); });
}

// What `vtr eval` has left figures of, of the cell's variant with seeds that are not asked for.
std::vector<Cell> evaluated_others(const Request& request, const Cell& like) {
  std::set<int64_t> seeds;
  for (const auto& entry : fs::directory_iterator(request.folder / like.variant)) {
    long seed = 0;
    if (std::sscanf(entry.path().filename().c_str(), "seed%ld", &seed) == 1) seeds.insert(seed);
  }
  std::vector<Cell> found;
  for (const int64_t seed : seeds) {
    const auto over = config::parse_overrides({fmt::format("train.seed={}", seed)});
    const Cell other{like.variant, like.settings, seed, config::merge(like.experiment, over)};
    const bool whole = fs::exists(file_of(request.folder, other, ".json")) &&
                       fs::exists(file_of(request.folder, other, ".yaml"));
    const bool asked = std::ranges::count(request.cells, other.name(), &Cell::name) > 0;
    if (whole && !asked) found.push_back(other);
  }
  return found;
}

// What keeps a cell from going on as the experiment that it was begun as; "" where nothing does.
std::string difference(const Request& request, const Cell& cell) try {
  const auto begun = config::load(file_of(request.folder, cell, ".yaml").string());
  return config::first_difference(request.without_places(begun),
                                  request.without_places(cell.experiment));
} catch (const Error& error) {  // it is none that this program knows
  return error.what();
}

// What keeps an evaluated cell out of the table; "" where nothing does.
std::string why_left_out(const Request& request, const Cell& cell) try {
  const std::string other = difference(request, cell);
  if (!other.empty()) return other;
  const auto& splits = request.options.evaluate;
  const auto figures = read_figures(file_of(request.folder, cell, ".json"), splits);
  return figures.empty() ? fmt::format("not evaluated on all of {}", fmt::join(splits, ", ")) : "";
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace

fs::path file_of(const fs::path& folder, const Cell& cell, const char* extension) {
  return folder / (cell.name() + extension);
}

void check_rerun(const Request& request) {
  for (const auto& name : request.rerun) {
    const auto is_it = [&](const Cell& cell) { return is_named(cell, name); };
    VTR_CHECK(std::ranges::any_of(request.cells, is_it), "--rerun {}: the sweep has no such cell",
              name);
  }
}

void check_folder(const Request& request) {
  const fs::path mark = sweep_file(request.folder);
  for (const auto& entry : fs::directory_iterator(request.folder)) {
    VTR_CHECK(fs::exists(mark) || entry.path() == mark.string() + ".tmp",  // of one that was killed
              "{}: holds something else ({}) and is no sweep's folder; give another --out",
              request.folder.string(), entry.path().filename().string());
  }
  for (const auto& cell : request.cells) {
    const fs::path file = file_of(request.folder, cell, ".yaml");
    if (is_rerun(request, cell) || !fs::exists(file)) continue;
    const std::string other = difference(request, cell);
    VTR_CHECK(other.empty(),
              "{}: was begun with other options: {}, first then, then now; --rerun {} does it "
              "anew, or give another --out",
              file.string(), other, cell.variant);
  }
}

// What makes it a sweep's folder comes first.
void open_folder(const Request& request) {
  write_file(sweep_file(request.folder), config::to_text(config::write(request.options)));
  for (const auto& cell : request.cells) {
    if (is_rerun(request, cell)) {
      // Killed in between, nothing left of the old experiment passes for the new one's: its figures
      // go first, and what it was goes last.
      for (const char* extension : {".json", "", ".log", ".yaml"}) {
        fs::remove_all(file_of(request.folder, cell, extension));
      }
    }
    if (fs::exists(file_of(request.folder, cell, ".json"))) continue;
    const fs::path file = file_of(request.folder, cell, ".yaml");
    fs::create_directories(file.parent_path());
    write_file(file, config::to_text(cell.experiment));
  }
}

std::vector<Cell> with_finished(const Request& request) {
  const auto& cells = request.cells;
  std::vector<Cell> all;
  std::set<int64_t> seeds;
  std::vector<std::string> left_out;
  for (size_t i = 0; i < cells.size(); ++i) {
    all.push_back(cells[i]);
    if (i + 1 < cells.size() && cells[i + 1].variant == cells[i].variant) continue;
    for (auto& other : evaluated_others(request, cells[i])) {
      const std::string why = why_left_out(request, other);
      if (!why.empty()) {
        left_out.push_back(fmt::format("{}: {}", other.name(), why));
        continue;
      }
      seeds.insert(other.seed);
      all.push_back(std::move(other));
    }
  }
  if (!seeds.empty()) {
    log::info("[sweep] {} cells that are finished with seed {} stay in the table",
              all.size() - cells.size(), fmt::join(seeds, ", "));
  }
  if (!left_out.empty()) {
    log::warn("[sweep] {} finished cells of other seeds are not in the table: {}{}",
              left_out.size(), left_out.front(), left_out.size() > 1 ? "; ..." : "");
  }
  return all;
}

}  // namespace vtr::sweep
